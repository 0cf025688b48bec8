//! A client deletes the oldest records of a partition (KIP-107).
//!
//! The leader's log start rises, at most to the high watermark; followers learn of it with their
//! fetches. Answered when no in-sync replica keeps anything below, so that the records do not come
//! back with the next leader. Bytes go later, when whole segments lie below.

use std::time::Duration;

use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::Instant;
use trimaran_api::ApiError;
use trimaran_api::rest::WriteOutcome;
use trimaran_types::{KafkaError, MonotonicTime, Offset};

use super::PartitionHandle;
use super::event::{Event, TrimRequest};
use super::owner::Owner;
use super::refusal::{not_serving, offset_out_of_range};
use super::role::Role;

/// Deletions of one partition that may wait at once.
const TRIMS_MAX: usize = 64;

/// How much longer than asked an answer is waited for before the owner counts as stuck.
const GRACE: Duration = Duration::from_secs(5);

/// A deletion that waits for the in-sync replicas.
#[derive(Debug)]
pub(super) struct Trimming {
    before: Offset,
    deadline: MonotonicTime,
    reply: oneshot::Sender<Result<Offset, ApiError>>,
}

impl PartitionHandle {
    /// Deletes the records before `before`; answers with the first offset that is left. It is not
    /// on this broker's disk yet.
    ///
    /// # Errors
    /// Not the leader; `OFFSET_OUT_OF_RANGE` beyond the high watermark; `POLICY_VIOLATION` where
    /// the topic deletes nothing; `REQUEST_TIMED_OUT` when an in-sync replica did not follow in
    /// time, and then the records are deleted here all the same.
    pub async fn trim(&self, before: Offset, timeout: Duration) -> Result<Offset, ApiError> {
        let _ = self.leading()?;
        let deadline = Instant::now() + timeout;
        let (reply, answer) = oneshot::channel();
        let request = TrimRequest {
            before,
            deadline,
            reply,
        };
        let gone = || not_serving(self.name(), KafkaError::NotLeaderOrFollower);
        if !self.send(Event::Trim(Box::new(request))).await {
            return Err(gone());
        }
        match tokio::time::timeout_at(deadline + GRACE, answer).await {
            Ok(answered) => answered
                .unwrap_or_else(|_| Err(unsettled(self.name(), KafkaError::NotLeaderOrFollower))),
            Err(_) => Err(too_late(self.name())),
        }
    }
}

impl Owner {
    pub(super) fn trim(&mut self, request: TrimRequest) {
        let TrimRequest {
            before,
            deadline,
            reply,
        } = request;
        match self.begin_trim(before) {
            Err(refusal) => {
                let _ = reply.send(Err(refusal));
            }
            Ok(()) => {
                let remaining = deadline.saturating_duration_since(Instant::now());
                let remaining_ms = u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX);
                self.trims.push(Trimming {
                    before,
                    deadline: self.now().plus_ms(remaining_ms),
                    reply,
                });
                self.answer_trims();
            }
        }
    }

    fn begin_trim(&mut self, before: Offset) -> Result<(), ApiError> {
        let high_watermark = match &self.role {
            Role::Leader(leader) if leader.high_watermark() < leader.epoch_start() => {
                let message = format!(
                    "{}: the new leader does not know yet how far the records are committed",
                    self.name
                );
                return Err(ApiError::kafka(KafkaError::OffsetNotAvailable, message));
            }
            Role::Leader(leader) => leader.high_watermark(),
            Role::Failed => return Err(not_serving(&self.name, KafkaError::KafkaStorageError)),
            Role::Idle(_) | Role::Follower(_) => {
                return Err(not_serving(&self.name, KafkaError::NotLeaderOrFollower));
            }
        };
        if !self.settings.log.deletes {
            let message = format!(
                "{}: the topic's cleanup.policy does not name 'delete', so its records cannot be \
                 deleted",
                self.name
            );
            return Err(ApiError::kafka(KafkaError::PolicyViolation, message));
        }
        let log_start = self.log.log_start();
        if before > high_watermark {
            return Err(offset_out_of_range(
                &self.name,
                before,
                log_start,
                high_watermark,
            ));
        }
        if self.trims.len() >= TRIMS_MAX {
            let message = format!(
                "{}: {TRIMS_MAX} deletions of records wait already",
                self.name
            );
            return Err(ApiError::new(429, message).retriable());
        }
        if before > log_start {
            self.log.raise_log_start(before);
            self.log_start_moved();
            tracing::info!(partition = %self.name, %before, "records deleted");
        }
        Ok(())
    }

    /// Answers the deletions that every in-sync replica has followed, and those that are late.
    pub(super) fn answer_trims(&mut self) {
        if self.trims.is_empty() {
            return;
        }
        let least = match &self.role {
            Role::Leader(leader) => leader.least_log_start(),
            _ => None,
        };
        let (now, log_start) = (self.now(), self.log.log_start());
        for trimming in std::mem::take(&mut self.trims) {
            if least >= Some(trimming.before) {
                let _ = trimming.reply.send(Ok(log_start));
            } else if trimming.deadline <= now {
                let _ = trimming.reply.send(Err(too_late(&self.name)));
            } else {
                self.trims.push(trimming);
            }
        }
    }

    /// When the first deletion has waited long enough.
    pub(super) fn trim_deadline(&self) -> Option<MonotonicTime> {
        self.trims.iter().map(|trimming| trimming.deadline).min()
    }

    /// The leadership ends: whether the next leader follows is for the caller to find out.
    pub(super) fn refuse_trims(&mut self, error: KafkaError) {
        for trimming in self.trims.drain(..) {
            let _ = trimming.reply.send(Err(unsettled(&self.name, error)));
        }
    }
}

/// The leadership ended in between. Doing it again does no more than doing it once.
fn unsettled(partition: &str, error: KafkaError) -> ApiError {
    let message = format!(
        "{partition}: this broker has ceased to lead; the records may be deleted here and not on \
         every in-sync replica"
    );
    ApiError::kafka(error, message).with_details(json!({ "outcome": WriteOutcome::Unknown }))
}

fn too_late(partition: &str) -> ApiError {
    let message = format!(
        "{partition}: the records are deleted at the leader, but not every in-sync replica has \
         followed in time"
    );
    ApiError::kafka(KafkaError::RequestTimedOut, message)
}
