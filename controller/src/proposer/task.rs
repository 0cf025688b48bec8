//! [`ProposerTask`]: takes changes, decides them, proposes them, answers them.

use openraft::raft::ClientWriteResult;
use openraft::type_config::alias::OneshotReceiverOf;
use openraft::vote::leader_id_std::CommittedLeaderId;
use openraft::{ReadPolicy, impls::ProgressResponder};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use trimaran_metadata::MetadataEntry;

use super::ProposeError;
use super::handle::{Confirm, Job, MAILBOX_LENGTH, Proposer, Waiter};
use super::pending::{Batch, Pending, Placed};
use crate::clock::Clock;
use crate::published::Published;
use crate::standing::Standing;
use crate::type_config::{EntryOutcome, LogData, Raft, TypeConfig};

/// Entries in flight; while there are so many, changes wait in the mailbox.
const IN_FLIGHT_MAX: usize = 256;
/// Changes decided in one go; between two goes leadership and receipts are looked at.
const JOBS_A_ROUND_MAX: usize = 1_024;

type Receipt = OneshotReceiverOf<TypeConfig, ClientWriteResult<TypeConfig>>;

/// What the task may do now.
enum Phase {
    /// Not the leader: changes are turned away.
    Away,
    /// Leader, but the image does not have the own term's first entry yet: changes wait.
    Arriving { term: u64 },
    /// Deciding.
    Active(Box<Pending<Waiter>>),
    /// A chain of proposals has ended: changes wait until nothing of it is in flight.
    Draining { term: u64 },
}

/// The proposer's task and what it owns.
pub(crate) struct ProposerTask {
    raft: Raft,
    published: Arc<Published>,
    clock: Clock,
    standing: watch::Receiver<Standing>,
    applied: watch::Receiver<u64>,
    jobs: mpsc::Receiver<Job>,
    active_term: watch::Sender<Option<u64>>,
    phase: Phase,
    /// How often deciding began afresh; tells a decision on an abandoned view from one on this.
    beginnings: u64,
    /// In the order of the log. The waiters of the current phase's entries are in `Pending`; those
    /// of an abandoned one are here.
    in_flight: VecDeque<(Receipt, Option<Vec<Waiter>>)>,
}

impl ProposerTask {
    /// The task, to be run, and its handle.
    #[must_use]
    pub(crate) fn new(
        raft: Raft,
        published: Arc<Published>,
        clock: Clock,
        standing: watch::Receiver<Standing>,
        timeout: Duration,
    ) -> (Self, Proposer) {
        let (sender, jobs) = mpsc::channel(MAILBOX_LENGTH);
        let active_term = watch::Sender::new(None);
        let proposer = Proposer::new(sender, active_term.subscribe(), timeout);
        let applied = published.watch();
        let task = Self {
            raft,
            published,
            clock,
            standing,
            applied,
            jobs,
            active_term,
            phase: Phase::Away,
            beginnings: 0,
            in_flight: VecDeque::new(),
        };
        (task, proposer)
    }

    /// Runs until `stop`; then every waiting change is answered.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        self.follow_standing();
        loop {
            let arriving = matches!(self.phase, Phase::Arriving { .. });
            let takes_jobs = match &self.phase {
                Phase::Away => true,
                Phase::Active(pending) => pending.in_flight() < IN_FLIGHT_MAX,
                Phase::Arriving { .. } | Phase::Draining { .. } => false,
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                changed = self.standing.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    self.follow_standing();
                }
                result = next_receipt(&mut self.in_flight) => self.on_receipt(result),
                changed = self.applied.changed(), if arriving => {
                    if changed.is_err() {
                        break;
                    }
                    self.try_activate();
                }
                job = self.jobs.recv(), if takes_jobs => match job {
                    Some(job) => self.on_jobs(job).await,
                    None => break,
                },
            }
        }
        self.abandon(&ProposeError::Unknown);
        self.active_term.send_replace(None);
    }

    /// Leadership came, went, or changed its term.
    fn follow_standing(&mut self) {
        let standing = *self.standing.borrow_and_update();
        let own_term = match &self.phase {
            Phase::Away => None,
            Phase::Arriving { term } | Phase::Draining { term } => Some(*term),
            Phase::Active(pending) => Some(pending.term),
        };
        let leading = standing.is_leader.then_some(standing.term);
        if leading == own_term {
            return;
        }
        self.abandon(&ProposeError::NotController);
        self.active_term.send_replace(None);
        if let Some(term) = leading {
            self.begin_when_drained(term);
        }
    }

    /// No chain begins before every proposal of the one before is resolved: till then one of its
    /// entries may take the place that the new one counts on (ADR 0002).
    fn begin_when_drained(&mut self, term: u64) {
        if self.in_flight.is_empty() {
            self.phase = Phase::Arriving { term };
            self.try_activate();
        } else {
            self.phase = Phase::Draining { term };
        }
    }

    /// Begins to decide once the image has an entry of the own term: it then has every entry of
    /// the terms before, so nothing of an earlier leader can still come in between.
    fn try_activate(&mut self) {
        self.applied.borrow_and_update();
        let Phase::Arriving { term } = self.phase else {
            return;
        };
        let image = self.published.image();
        if image.position.term == term {
            tracing::info!(term, next_offset = %image.position.next_offset, "this controller is active");
            self.beginnings = self.beginnings.saturating_add(1);
            self.phase = Phase::Active(Box::new(Pending::begin(term, image.as_ref().clone())));
            self.active_term.send_replace(Some(term));
        }
    }

    /// Decides this change and those that wait with it, and proposes them.
    async fn on_jobs(&mut self, first: Job) {
        let mut next = Some(first);
        let mut taken = 0_usize;
        while let Some(job) = next {
            taken = taken.saturating_add(1);
            let Phase::Active(pending) = &mut self.phase else {
                (job.answer)(Err(ProposeError::NotController));
                break;
            };
            let beginning = self.beginnings;
            let (records, waiter) = (job.decide)(pending.view());
            if !pending.fits(records.len()) {
                self.flush().await;
            }
            // When the flush failed, the decision rests on what failed.
            let Phase::Active(pending) = &mut self.phase else {
                waiter(Err(ProposeError::NotController));
                break;
            };
            if beginning != self.beginnings {
                waiter(Err(ProposeError::NotController));
                break;
            }
            match pending.place(records, waiter) {
                Placed::InBatch | Placed::BehindInFlight => {}
                Placed::NothingPending(waiter) => self.confirm(job.confirm, waiter),
                Placed::Contradiction(waiter, cause) => {
                    tracing::error!(%cause, "a decision contradicts the image it was made on");
                    waiter(Err(ProposeError::Unwritable(cause)));
                }
            }
            let may_go_on = match &self.phase {
                Phase::Active(pending) => !pending.is_batch_full(),
                _ => false,
            };
            next = if may_go_on && taken < JOBS_A_ROUND_MAX {
                self.jobs.try_recv().ok()
            } else {
                None
            };
        }
        self.flush().await;
    }

    /// Answers a decision that changes nothing while nothing is pending.
    fn confirm(&self, confirm: Confirm, waiter: Waiter) {
        if confirm == Confirm::Nothing {
            waiter(Ok(()));
            return;
        }
        let raft = self.raft.clone();
        tokio::spawn(async move {
            let confirmed = raft.ensure_linearizable(ReadPolicy::ReadIndex).await;
            waiter(
                confirmed
                    .map(|_| ())
                    .map_err(|_| ProposeError::NotController),
            );
        });
    }

    /// Proposes the packed batch, if there is any.
    async fn flush(&mut self) {
        let Phase::Active(pending) = &mut self.phase else {
            return;
        };
        let Some(batch) = pending.take_batch() else {
            return;
        };
        let Batch {
            base_offset,
            records,
            waiters,
        } = batch;
        let term = pending.term;
        let entry = MetadataEntry {
            term,
            base_offset,
            timestamp: self.clock.wall(),
            records,
        };
        let data = match LogData::new(entry) {
            Ok(data) => data,
            Err(error) => {
                let error = ProposeError::Unwritable(error.to_string());
                answer_all(waiters, &error);
                self.fail(term);
                return;
            }
        };
        let (responder, receipt) = ProgressResponder::complete_only();
        // The leader that decided, or nobody: a second lock beside the guard of the entry itself.
        let sent = self
            .raft
            .write(data)
            .with_leader(CommittedLeaderId::new(term))
            .responder(responder)
            .await;
        if sent.is_err() {
            answer_all(waiters, &ProposeError::NotController);
            self.fail(term);
            return;
        }
        pending.sent(waiters);
        self.in_flight.push_back((receipt, None));
    }

    /// The oldest entry in flight was applied here, or will not be.
    fn on_receipt(&mut self, result: Option<ClientWriteResult<TypeConfig>>) {
        let Some((_, abandoned)) = self.in_flight.pop_front() else {
            return;
        };
        let (waiters, term) = match (abandoned, &mut self.phase) {
            (Some(waiters), _) => (waiters, None),
            (None, Phase::Active(pending)) => (pending.resolved(), Some(pending.term)),
            (None, _) => (Vec::new(), None),
        };
        let failure = match result {
            Some(Ok(response)) => match response.data {
                EntryOutcome::Applied | EntryOutcome::NoRecords => None,
                EntryOutcome::Refused { cause } => {
                    tracing::warn!(%cause, "an own entry was refused");
                    Some(ProposeError::NotController)
                }
            },
            // It may be in the log of the next leader.
            Some(Err(_)) | None => Some(ProposeError::Unknown),
        };
        match &failure {
            None => waiters.into_iter().for_each(|waiter| waiter(Ok(()))),
            Some(error) => answer_all(waiters, error),
        }
        if let (Some(_), Some(term)) = (failure, term) {
            self.fail(term);
        }
        if self.in_flight.is_empty()
            && let Phase::Draining { term } = self.phase
        {
            self.begin_when_drained(term);
        }
    }

    /// Drops what is pending after a failure within a term; the rest in flight is waited for.
    fn fail(&mut self, term: u64) {
        self.abandon(&ProposeError::NotController);
        self.active_term.send_replace(None);
        self.begin_when_drained(term);
    }

    /// Leaves the active phase: the unsent batch is answered with `error`, the waiters of entries
    /// in flight stay with their receipts.
    fn abandon(&mut self, error: &ProposeError) {
        let Phase::Active(pending) = &mut self.phase else {
            self.phase = Phase::Away;
            return;
        };
        if let Some(batch) = pending.take_batch() {
            answer_all(batch.waiters, error);
        }
        for (_, waiters) in self
            .in_flight
            .iter_mut()
            .filter(|(_, waiters)| waiters.is_none())
        {
            *waiters = Some(pending.resolved());
        }
        self.phase = Phase::Away;
    }
}

impl Drop for ProposerTask {
    fn drop(&mut self) {
        for (_, waiters) in self.in_flight.drain(..) {
            answer_all(waiters.unwrap_or_default(), &ProposeError::Unknown);
        }
    }
}

fn answer_all(waiters: Vec<Waiter>, error: &ProposeError) {
    for waiter in waiters {
        waiter(Err(error.clone()));
    }
}

/// Waits for the oldest receipt; for ever while there is none.
async fn next_receipt(
    in_flight: &mut VecDeque<(Receipt, Option<Vec<Waiter>>)>,
) -> Option<ClientWriteResult<TypeConfig>> {
    match in_flight.front_mut() {
        Some((receipt, _)) => receipt.await.ok(),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod task_test;
