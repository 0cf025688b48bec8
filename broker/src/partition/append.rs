//! Clients' appends: all that wait, in one write.

use tokio::time::Instant;
use trimaran_api::replica::{AppendResponse, RequiredAcks};
use trimaran_commit_log::{AppendError, Appended as Written};
use trimaran_replication::leader::{Appended, Outcome, WaiterId};
use trimaran_types::record_batch::{RecordBatch, TimestampType};
use trimaran_types::{KafkaError, LeaderEpoch, MonotonicTime, Timestamp};

use super::Clock;
use super::event::AppendRequest;
use super::owner::{Owner, Waiting};
use super::refusal::{append_refused, no_room};
use super::role::Role;

/// What a request brings.
#[derive(Debug, Clone, Copy)]
struct Size {
    batches: usize,
    bytes: u64,
}

impl Size {
    fn of(request: &AppendRequest) -> Self {
        let (batches, bytes) = (request.batches.len(), request.bytes());
        Self { batches, bytes }
    }
}

impl Owner {
    /// Writes what need not be held back; see [`Owner::append_now`].
    pub(super) fn append(&mut self, requests: Vec<AppendRequest>) {
        let requests = self.hold_back(requests);
        self.append_now(requests);
    }

    /// Writes the requests' batches behind each other and begins to wait for what they asked for.
    pub(super) fn append_now(&mut self, requests: Vec<AppendRequest>) {
        if requests.is_empty() {
            return;
        }
        let mut admitted = Vec::with_capacity(requests.len());
        for request in requests {
            match self.admit(&request) {
                Ok(epoch) => admitted.push((request, epoch)),
                Err(error) => self.refuse(request, error, Outcome::NothingWritten),
            }
        }
        let Some((_, epoch)) = admitted.first() else {
            return;
        };
        let epoch = *epoch;
        let requests: Vec<_> = admitted.into_iter().map(|(request, _)| request).collect();
        self.write(requests, epoch);
    }

    fn admit(&self, request: &AppendRequest) -> Result<LeaderEpoch, KafkaError> {
        let leader = match &self.role {
            Role::Leader(leader) => leader,
            Role::Failed => return Err(KafkaError::KafkaStorageError),
            Role::Idle(_) | Role::Follower(_) => return Err(KafkaError::NotLeaderOrFollower),
        };
        if Instant::now() >= request.deadline {
            return Err(KafkaError::RequestTimedOut);
        }
        // Each request by itself: one batch that is too large must not refuse its neighbours.
        let bytes_max = self.settings.batch_bytes_max();
        if request
            .batches
            .iter()
            .any(|batch| batch.bytes().len() > bytes_max)
        {
            return Err(KafkaError::MessageTooLarge);
        }
        leader.admit(request.acks == RequiredAcks::All)?;
        Ok(leader.leader_epoch())
    }

    fn write(&mut self, requests: Vec<AppendRequest>, epoch: LeaderEpoch) {
        if !self.begin_epoch(epoch) {
            self.refuse_all(
                requests,
                KafkaError::KafkaStorageError,
                Outcome::NothingWritten,
            );
            return;
        }
        let wall = Clock::wall();
        let mut requests = self.refuse_for_producers(requests, wall);
        if requests.is_empty() {
            return;
        }
        // What each request adds is remembered before the log takes the batches.
        let sizes: Vec<Size> = requests.iter().map(Size::of).collect();
        // What a producer repeats needs no room, and must not hear that it was not written.
        let mut batches = requests.iter().flat_map(|request| &request.batches);
        let may_repeat = batches.any(|batch| batch.header().producer.is_some());
        if !may_repeat && !self.may_have_room(sizes.iter().map(|size| size.bytes).sum()) {
            self.refuse_for_room(requests);
            return;
        }
        let batches: Vec<RecordBatch> = requests
            .iter_mut()
            .flat_map(|request| std::mem::take(&mut request.batches))
            .collect();
        let appended = match self.log.append_as_leader(batches, epoch, wall) {
            Ok(appended) => appended,
            Err(error) => {
                self.append_failed(requests, &error);
                return;
            }
        };
        self.found_room();
        self.await_acknowledgements(requests.into_iter().zip(sizes), &appended, epoch);
        self.publish();
        self.seats.wake_all();
        self.flush_if_due();
    }

    /// Lets each request, with the size that it had, wait for what it asked for.
    fn await_acknowledgements(
        &mut self,
        requests: impl Iterator<Item = (AppendRequest, Size)>,
        written: &Written,
        epoch: LeaderEpoch,
    ) {
        let timestamp_type = self.log.config().timestamp_type;
        let now = self.now();
        let mut actions = Vec::new();
        let mut batches = written.batches.iter();
        for (request, size) in requests {
            let own: Vec<_> = batches.by_ref().take(size.batches).collect();
            let Some(first) = own.first() else { continue };
            // The last batch may be a repetition of one that lies before the others.
            let last = own
                .iter()
                .map(|batch| batch.last)
                .max()
                .unwrap_or(first.last);
            let response = AppendResponse {
                base_offset: Some(first.base),
                log_append_time: match timestamp_type {
                    TimestampType::CreateTime => None,
                    TimestampType::LogAppendTime => Some(first.max_timestamp),
                },
                leader_epoch: epoch,
            };
            let (waiter, deadline) = self.begin_to_wait(request, response, now);
            if let Role::Leader(leader) = &mut self.role {
                let appended = Appended {
                    waiter,
                    deadline,
                    base_offset: first.base,
                    end: last.next(),
                    bytes: size.bytes,
                };
                leader.appended(now, appended, &mut actions);
            }
        }
        self.carry_out(actions);
    }

    /// Keeps who asked until the records are acknowledged; until when, if that is to be waited for.
    fn begin_to_wait(
        &mut self,
        request: AppendRequest,
        response: AppendResponse,
        now: MonotonicTime,
    ) -> (WaiterId, Option<MonotonicTime>) {
        let waiter = WaiterId(self.next_waiter);
        self.next_waiter += 1;
        let remaining = request.deadline.saturating_duration_since(Instant::now());
        let remaining_ms = u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX);
        let deadline = (request.acks == RequiredAcks::All).then(|| now.plus_ms(remaining_ms));
        let AppendRequest { reply, permits, .. } = request;
        let waiting = Waiting {
            reply,
            response,
            permits,
        };
        self.waiting.insert(waiter, waiting);
        (waiter, deadline)
    }

    /// Whether the log is in the leader's epoch now.
    fn begin_epoch(&mut self, epoch: LeaderEpoch) -> bool {
        if self.log.latest_epoch() == Some(epoch) {
            return true;
        }
        let log_end = self.log.log_end();
        let begun = self.log.assign_epoch(epoch, log_end);
        if let Err(error) = &begun {
            tracing::error!(partition = %self.name, %error, "cannot begin the leader epoch");
        }
        begun.is_ok()
    }

    /// Refuses the requests whose producers may not write them, each by itself, and tells the rest.
    fn refuse_for_producers(
        &mut self,
        requests: Vec<AppendRequest>,
        now: Timestamp,
    ) -> Vec<AppendRequest> {
        let groups: Vec<&[RecordBatch]> = requests.iter().map(|it| &*it.batches).collect();
        let refusals = self.log.producer_refusals(&groups, now);
        let mut rest = Vec::with_capacity(requests.len());
        for (request, refusal) in requests.into_iter().zip(refusals) {
            match refusal {
                None => rest.push(request),
                Some(cause) => {
                    tracing::debug!(partition = %self.name, %cause, "append refused for its producer");
                    self.refuse(request, cause.kafka_error(), Outcome::NothingWritten);
                }
            }
        }
        rest
    }

    /// The log wrote nothing of it.
    fn append_failed(&mut self, requests: Vec<AppendRequest>, error: &AppendError) {
        let kafka_error = match error {
            AppendError::DirFailed(_) => {
                // Some of it may have reached the file, and the next start may find it there.
                self.fail(&error.to_string());
                self.refuse_all(requests, KafkaError::KafkaStorageError, Outcome::Unknown);
                return;
            }
            AppendError::NoRoom { .. } => {
                self.found_no_room(error);
                self.refuse_for_room(requests);
                return;
            }
            AppendError::WrongEpoch { .. } => {
                tracing::error!(partition = %self.name, %error, "append refused by the log");
                KafkaError::KafkaStorageError
            }
            AppendError::BatchTooLarge { .. } => KafkaError::MessageTooLarge,
            AppendError::Invalid { .. } => KafkaError::CorruptMessage,
            AppendError::Producer { cause, .. } => cause.kafka_error(),
        };
        self.refuse_all(requests, kafka_error, Outcome::NothingWritten);
    }

    fn refuse_for_room(&self, requests: Vec<AppendRequest>) {
        for request in requests {
            let _ = request.reply.send(Err(no_room(&self.name)));
        }
    }

    fn refuse_all(&self, requests: Vec<AppendRequest>, error: KafkaError, outcome: Outcome) {
        for request in requests {
            self.refuse(request, error, outcome);
        }
    }

    pub(super) fn refuse(&self, request: AppendRequest, error: KafkaError, outcome: Outcome) {
        let _ = request
            .reply
            .send(Err(append_refused(&self.name, error, outcome)));
    }
}
