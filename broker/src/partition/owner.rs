//! [`Owner`]: the task that owns one replica.
//!
//! Fields and the `match` over events live here; what each event does stands in a file of its own.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use trimaran_api::ApiError;
use trimaran_api::replica::AppendResponse;
use trimaran_commit_log::{Flusher, Log};
use trimaran_replication::leader::{Outcome, Suspended, WaiterId};
use trimaran_replication::{Durability, LogPositions};
use trimaran_types::{
    BrokerId, KafkaError, MonotonicTime, Offset, PartitionEpoch, TopicIdPartition,
};

use super::durable_start::DurableStart;
use super::event::{AppendRequest, Closing, Event, FollowerNext};
use super::flush::Flushing;
use super::held::Held;
use super::pause_notes::PauseNotes;
use super::refusal::append_refused;
use super::role::Role;
use super::room_gate::RoomGate;
use super::seats::Seats;
use super::status::{PartitionRole, PartitionStatus};
use super::trim::Trimming;
use super::{Clock, TopicSettings};
use crate::byte_budget::ByteShare;
use crate::isr_changes::IsrChanges;

/// Most events that are taken from the mailbox at once; their appends become one write.
const EVENTS_MAX: usize = 256;

/// An append that is in the log and waits for its acknowledgement.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) reply: oneshot::Sender<Result<AppendResponse, ApiError>>,
    pub(super) response: AppendResponse,
    pub(super) permits: [ByteShare; 2],
}

/// A fetcher that waits to hear how to go on.
#[derive(Debug)]
pub(super) struct SyncedReply {
    /// Everything below it is to be synced first.
    pub(super) end: Offset,
    /// So is the log start to be on the disk, while that is being written.
    pub(super) waits_for_start: bool,
    pub(super) reply: oneshot::Sender<FollowerNext>,
    pub(super) pause: bool,
}

/// The owner of one replica.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) id: TopicIdPartition,
    /// `topic-n`, for people.
    pub(super) name: Arc<str>,
    pub(super) own: BrokerId,
    pub(super) log: Log,
    pub(super) role: Role,
    pub(super) partition_epoch: Option<PartitionEpoch>,
    pub(super) settings: TopicSettings,
    pub(super) lag_time_max_ms: u64,
    pub(super) lag_bytes_max: u64,
    /// As known while no core keeps it.
    pub(super) high_watermark: Offset,
    pub(super) status: watch::Sender<PartitionStatus>,
    pub(super) seats: Arc<Seats>,
    pub(super) waiting: HashMap<WaiterId, Waiting>,
    /// Appends of which nothing is written yet.
    pub(super) held: Held,
    pub(super) next_waiter: u64,
    pub(super) flusher: Arc<Flusher>,
    pub(super) flushing: Option<Flushing>,
    pub(super) durable_start: DurableStart,
    /// The next flush is to be a checkpoint; who waits for it.
    pub(super) checkpoint_due: Option<oneshot::Sender<()>>,
    /// When the oldest record that no flush covers was written.
    pub(super) unflushed_since: Option<MonotonicTime>,
    /// No flush is asked for before, after one that came to nothing.
    pub(super) flush_again_at: Option<MonotonicTime>,
    /// Fetchers that wait until what they got is on the disk.
    pub(super) synced_replies: Vec<SyncedReply>,
    /// The last append found no room on the disk, in whatever role.
    pub(super) lacks_room: bool,
    /// Shared by all replicas of the log's directory.
    pub(super) room_gate: RoomGate,
    /// Deletions of records that wait for the in-sync replicas.
    pub(super) trims: Vec<Trimming>,
    pub(super) isr_changes: IsrChanges,
    pub(super) pause_notes: PauseNotes,
    pub(super) clock: Clock,
}

impl Owner {
    /// Runs until the replica is closed or every handle is gone.
    pub(super) async fn run(mut self, mut mailbox: mpsc::Receiver<Event>) {
        let mut events = Vec::new();
        let closing = loop {
            let deadline = self.next_deadline().map(|at| self.clock.instant(at));
            let deadline = deadline.into_iter().chain(self.held_deadline()).min();
            tokio::select! {
                biased;
                done = Flushing::done(&mut self.flushing) => self.flush_done(done),
                written = self.durable_start.written() => self.start_written(written),
                count = mailbox.recv_many(&mut events, EVENTS_MAX) => {
                    if count == 0 {
                        break None;
                    }
                    gather(&mut mailbox, &mut events).await;
                    if let Some(closing) = self.take(&mut events) {
                        break Some(closing);
                    }
                }
                () = sleep_until(deadline) => {}
            }
            // Here, so that a mailbox that is never empty holds up no deadline.
            if deadline.is_some_and(|at| at <= Instant::now()) {
                self.tick();
            }
            self.release_held();
        };
        mailbox.close();
        refuse_the_rest(&self.name, &mut mailbox).await;
        self.end_role(KafkaError::NotLeaderOrFollower);
        self.release_held();
        self.publish_as(PartitionRole::Stopped);
        // The directory may be renamed next, and the flusher still knows it by this name.
        if self.flushing.is_some()
            && let Ok(token) = Flushing::done(&mut self.flushing).await
        {
            self.log.flushed(&token);
        }
        if let Some((closing, reply)) = closing {
            let _ = reply.send(close(self.log, closing).await);
        }
    }

    /// Acts on events in order; neighbouring appends go into one write.
    fn take(
        &mut self,
        events: &mut Vec<Event>,
    ) -> Option<(Closing, oneshot::Sender<Result<(), String>>)> {
        let mut appends: Vec<AppendRequest> = Vec::new();
        let mut closing = None;
        for event in events.drain(..) {
            if let Event::Append(request) = event {
                appends.push(*request);
                continue;
            }
            self.append(std::mem::take(&mut appends));
            match event {
                Event::Append(_) => {}
                Event::FollowerFetch(request) => self.follower_fetch(*request),
                Event::Fetched(fetched) => self.fetched(*fetched),
                // A position that is not synced yet would be parked at the leader as it is.
                Event::Where(reply) => self.reply_when_synced(reply, false, true),
                Event::Assign(assignment) => self.assign(*assignment),
                Event::IsrAnswered(answered) => self.isr_answered(*answered),
                Event::Checkpoint(done) => self.checkpoint(done),
                Event::Trim(request) => self.trim(*request),
                Event::Retain(reply) => self.retain(reply),
                Event::DeleteSegments(start, reply) => self.delete_segments(start, reply),
                Event::ProducerEnds(reply) => self.tell_producer_ends(reply),
                Event::ReplaceSegments(cleaned, reply) => self.replace_segments(&cleaned, reply),
                Event::RoomFound => {
                    self.found_room();
                    self.publish();
                }
                Event::DirFailed => self.fail("the log directory has failed"),
                Event::Close(how, reply) => closing = Some((how, reply)),
            }
        }
        self.append(appends);
        closing
    }

    pub(super) fn now(&self) -> MonotonicTime {
        self.clock.now()
    }

    fn next_deadline(&self) -> Option<MonotonicTime> {
        let core = match &self.role {
            Role::Leader(leader) => leader.next_deadline(self.now()),
            Role::Idle(Some(suspended)) => suspended.next_deadline(),
            _ => None,
        };
        core.into_iter()
            .chain(self.flush_deadline())
            .chain(self.trim_deadline())
            .min()
    }

    fn tick(&mut self) {
        let now = self.now();
        let mut actions = Vec::new();
        match &mut self.role {
            Role::Leader(leader) => leader.tick(now, &mut actions),
            Role::Idle(Some(suspended)) => suspended.tick(now, &mut actions),
            Role::Idle(None) | Role::Follower(_) | Role::Failed => {}
        }
        self.carry_out(actions);
        self.answer_trims();
        self.flush_if_due();
    }

    /// The log's bounds, as the cores want them.
    pub(super) fn positions(&self) -> LogPositions {
        LogPositions {
            log_start: self.log.log_start(),
            flushed_end: self.log.flushed_end().max(self.log.log_start()),
            log_end: self.log.log_end(),
        }
    }

    /// The high watermark as the role knows it.
    pub(super) fn known_high_watermark(&self) -> Offset {
        match &self.role {
            Role::Leader(leader) => leader.high_watermark(),
            Role::Follower(follower) => follower.high_watermark(),
            Role::Idle(_) | Role::Failed => self.high_watermark,
        }
    }

    /// Shows the replica as it is now; whoever waits for a change is woken only by one.
    pub(super) fn publish(&mut self) {
        self.log.high_watermark_passed(self.known_high_watermark());
        self.publish_as(self.role.kind());
    }

    fn publish_as(&self, role: PartitionRole) {
        let epoch_start = match &self.role {
            Role::Leader(leader) => Some(leader.epoch_start()),
            _ => None,
        };
        let now = PartitionStatus {
            role,
            leader_epoch: self.role.leader_epoch(),
            log_start: self.log.log_start(),
            high_watermark: self.known_high_watermark(),
            first_unstable: self.log.first_unstable_offset(),
            flushed_end: self.log.flushed_end(),
            log_end: self.log.log_end(),
            epoch_start,
            batch_bytes_max: self.settings.batch_bytes_max(),
            counts_synced: self.settings.durability() == Durability::Synced,
            needs_keys: self.settings.log.compacted,
            lacks_room: self.lacks_room,
        };
        self.status.send_if_modified(|shown| {
            let differs = *shown != now;
            *shown = now;
            differs
        });
    }

    /// Ends what the role has promised: every append that waits is refused with `error`.
    pub(super) fn end_role(&mut self, error: KafkaError) {
        if let Some(suspended) = self.lay_role_down() {
            self.carry_out(suspended.end_with(error));
        }
        // None is left unless the core has lost it; nobody may wait for ever.
        for (_, waiting) in self.waiting.drain() {
            let refusal = append_refused(&self.name, error, Outcome::Unknown);
            let _ = waiting.reply.send(Err(refusal));
        }
    }

    /// Lays the role down with its followers and fetchers; the appends that wait may go on waiting,
    /// when this replica leads again before another one does.
    pub(super) fn lay_role_down(&mut self) -> Option<Suspended> {
        self.high_watermark = self.known_high_watermark();
        for SyncedReply { reply, .. } in self.synced_replies.drain(..) {
            let _ = reply.send(FollowerNext::NOTHING);
        }
        // Whether the next leader follows is found out by asking again.
        self.refuse_trims(KafkaError::NotLeaderOrFollower);
        self.seats.clear();
        match std::mem::replace(&mut self.role, Role::IDLE) {
            Role::Leader(leader) => {
                self.isr_changes.withdraw(self.id);
                Some(leader.suspend())
            }
            Role::Idle(suspended) => suspended,
            Role::Follower(_) | Role::Failed => None,
        }
    }

    /// Takes the replica out of service for the rest of this process.
    pub(super) fn fail(&mut self, cause: &str) {
        if matches!(self.role, Role::Failed) {
            return;
        }
        tracing::error!(partition = %self.name, cause, "replica is out of service");
        self.end_role(KafkaError::KafkaStorageError);
        self.role = Role::Failed;
        self.lacks_room = false;
        self.checkpoint_due = None;
        self.publish();
    }
}

/// Takes in what the tasks that are ready now have to say, so that it goes into the same write and
/// the same sync. Nobody is waited for: with nothing else to do, this returns at once.
async fn gather(mailbox: &mut mpsc::Receiver<Event>, events: &mut Vec<Event>) {
    if !events.iter().any(|event| matches!(event, Event::Append(_))) {
        return;
    }
    tokio::task::yield_now().await;
    while events.len() < EVENTS_MAX
        && let Ok(event) = mailbox.try_recv()
    {
        events.push(event);
    }
}

/// What came too late was surely not written, and its callers may go elsewhere. Waits for those who
/// have their place in the closed mailbox already: what they put there later would outlive the end of
/// the log, which waits for one of them, the cleaner, to hear that nothing comes of it.
async fn refuse_the_rest(name: &str, mailbox: &mut mpsc::Receiver<Event>) {
    while let Some(event) = mailbox.recv().await {
        if let Event::Append(request) = event {
            let error = KafkaError::NotLeaderOrFollower;
            let refusal = append_refused(name, error, Outcome::NothingWritten);
            let _ = request.reply.send(Err(refusal));
        }
    }
}

async fn sleep_until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Ends the log; syncing may block, so it happens off the runtime.
async fn close(log: Log, closing: Closing) -> Result<(), String> {
    let ended = tokio::task::spawn_blocking(move || match closing {
        Closing::Clean => log.close().map(drop).map_err(|error| error.to_string()),
        Closing::Discard => {
            log.discard();
            Ok(())
        }
    });
    ended.await.unwrap_or_else(|error| Err(error.to_string()))
}
