//! [`PartitionHandle`]: how everybody else deals with a replica.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use trimaran_api::ApiError;
use trimaran_api::replica::{AppendResponse, PartitionOffsets, RequiredAcks};
use trimaran_commit_log::{Flusher, Log, LogReader};
use trimaran_replication::Durability;
use trimaran_replication::leader::Outcome;
use trimaran_types::record_batch::RecordBatch;
use trimaran_types::{
    BrokerId, DirectoryId, KafkaError, LeaderEpoch, Offset, TopicIdPartition, TopicPartition,
};

use super::durable_start::DurableStart;
use super::event::{AppendRequest, Event};
use super::held::Held;
use super::keys::check_keys;
use super::log_start_writer::LogStartWriter;
use super::owner::Owner;
use super::refusal::{append_refused, not_serving, overloaded};
use super::role::Role;
use super::room_gate::RoomGate;
use super::seats::Seats;
use super::status::{PartitionRole, PartitionStatus};
use super::{AppendBudget, Assignment, Clock, Closing, TopicSettings};
use crate::codec_work::CodecWork;
use crate::isr_changes::IsrChanges;

/// Events that wait for the owner; it takes all of them at once.
const MAILBOX_EVENTS_MAX: usize = 256;

/// How much longer than asked an answer is waited for before the owner counts as stuck.
const GRACE: Duration = Duration::from_secs(5);

/// A replica, to everybody but its owner. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PartitionHandle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: TopicIdPartition,
    directory_id: DirectoryId,
    topic: TopicPartition,
    name: Arc<str>,
    mailbox: mpsc::Sender<Event>,
    status: watch::Receiver<PartitionStatus>,
    reader: LogReader,
    seats: Arc<Seats>,
    budgets: [AppendBudget; 2],
    codecs: CodecWork,
}

/// What a replica's owner starts from.
#[derive(Debug)]
pub struct PartitionStart {
    /// The partition.
    pub id: TopicIdPartition,
    /// The partition, for people.
    pub topic: TopicPartition,
    /// This broker.
    pub own: BrokerId,
    /// The log directory that the log lies in.
    pub directory_id: DirectoryId,
    /// The log, recovered.
    pub log: Log,
    /// The high watermark of the last run.
    pub high_watermark: Offset,
    /// The topic's settings.
    pub settings: TopicSettings,
    /// `replica.lag.time.max.ms`.
    pub lag_time_max_ms: u64,
    /// `replica.lag.bytes.max`.
    pub lag_bytes_max: u64,
    /// The flusher of the log's directory.
    pub flusher: Arc<Flusher>,
    /// Who writes the log starts of the log's directory.
    pub log_starts: LogStartWriter,
    /// What keeps appends off the log's directory while its disk is full.
    pub room_gate: RoomGate,
    /// Where ISR changes go.
    pub isr_changes: IsrChanges,
    /// The broker's bound on waiting appends.
    pub broker_budget: AppendBudget,
    /// The partition's own.
    pub partition_budget: AppendBudget,
    /// Where batches are opened that must be.
    pub codecs: CodecWork,
    /// The broker's clock.
    pub clock: Clock,
}

impl PartitionHandle {
    /// Starts the owner of a replica. It waits for its first assignment.
    #[must_use]
    pub fn start(start: PartitionStart) -> Self {
        let (mailbox, events) = mpsc::channel(MAILBOX_EVENTS_MAX);
        let name: Arc<str> = Arc::from(start.topic.to_string());
        start.settings.tell_bounded(&name);
        let seats = Arc::new(Seats::default());
        let high_watermark = start.high_watermark.min(start.log.log_end());
        let high_watermark = high_watermark.max(start.log.log_start());
        let (status, shown) = watch::channel(PartitionStatus {
            role: PartitionRole::Idle,
            leader_epoch: None,
            log_start: start.log.log_start(),
            high_watermark,
            first_unstable: start.log.first_unstable_offset(),
            flushed_end: start.log.flushed_end(),
            log_end: start.log.log_end(),
            epoch_start: None,
            batch_bytes_max: start.settings.batch_bytes_max(),
            counts_synced: start.settings.durability() == Durability::Synced,
            needs_keys: start.settings.log.compacted,
            lacks_room: false,
        });
        let handle = Self(Arc::new(Inner {
            id: start.id,
            directory_id: start.directory_id,
            topic: start.topic,
            name: Arc::clone(&name),
            mailbox,
            status: shown,
            reader: start.log.reader(),
            seats: Arc::clone(&seats),
            budgets: [start.broker_budget, start.partition_budget],
            codecs: start.codecs,
        }));
        let durable_start = DurableStart::new(start.log_starts, start.log.log_start());
        let owner = Owner {
            id: start.id,
            name,
            own: start.own,
            log: start.log,
            role: Role::IDLE,
            partition_epoch: None,
            settings: start.settings,
            lag_time_max_ms: start.lag_time_max_ms,
            lag_bytes_max: start.lag_bytes_max,
            high_watermark,
            status,
            seats,
            waiting: std::collections::HashMap::new(),
            held: Held::default(),
            next_waiter: 0,
            flusher: start.flusher,
            flushing: None,
            flush_again_at: None,
            durable_start,
            checkpoint_due: None,
            unflushed_since: None,
            synced_replies: Vec::new(),
            lacks_room: false,
            room_gate: start.room_gate,
            trims: Vec::new(),
            isr_changes: start.isr_changes,
            pause_notes: super::pause_notes::PauseNotes::default(),
            clock: start.clock,
        };
        tokio::spawn(owner.run(events));
        handle
    }

    /// The partition.
    #[must_use]
    pub fn id(&self) -> TopicIdPartition {
        self.0.id
    }

    /// The log directory that it lies in.
    #[must_use]
    pub fn directory_id(&self) -> DirectoryId {
        self.0.directory_id
    }

    /// The partition, for people.
    #[must_use]
    pub fn topic(&self) -> &TopicPartition {
        &self.0.topic
    }

    /// The replica as it is now. One whose owner ended without saying so, in a panic, has failed:
    /// nobody acts for it any more.
    #[must_use]
    pub fn status(&self) -> PartitionStatus {
        let mut status = *self.0.status.borrow();
        if self.is_abandoned() {
            status.role = PartitionRole::Failed;
        }
        status
    }

    /// Whether the owner ended without a word.
    pub(crate) fn is_abandoned(&self) -> bool {
        let is_over = self.0.status.has_changed().is_err();
        is_over && self.0.status.borrow().role != PartitionRole::Stopped
    }

    /// Appends whole batches, one behind the other, and waits as `acks` says, at most `timeout`.
    ///
    /// # Errors
    /// Every refusal says under `outcome` in its details whether something may have been written.
    /// Over the bounds of what may wait: 429, retriable.
    pub async fn append(
        &self,
        batches: Vec<RecordBatch>,
        acks: RequiredAcks,
        timeout: Duration,
    ) -> Result<AppendResponse, ApiError> {
        let leader_epoch = self.leading()?;
        if batches.is_empty() {
            let message = format!("{}: no record batch to append", self.0.name);
            return Err(ApiError::kafka(KafkaError::InvalidRequest, message));
        }
        if self.status().needs_keys {
            check_keys(&self.0.codecs, &self.0.name, &batches).await?;
        }
        let bytes = batches.iter().map(|batch| batch.bytes().len()).sum();
        let [broker, partition] = &self.0.budgets;
        let permits = match (partition.take(bytes), broker.take(bytes)) {
            (Some(partition), Some(broker)) => [partition, broker],
            (None, _) => return Err(overloaded(&self.0.name, partition.used_bytes())),
            (_, None) => return Err(overloaded(&self.0.name, broker.used_bytes())),
        };
        let (reply, answer) = oneshot::channel();
        let deadline = Instant::now() + timeout;
        let request = Box::new(AppendRequest {
            batches,
            acks,
            deadline,
            reply,
            permits,
        });
        let refused = |error, outcome| append_refused(&self.0.name, error, outcome);
        let sent = tokio::time::timeout_at(deadline, self.0.mailbox.send(Event::Append(request)));
        match sent.await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => {
                return Err(refused(
                    KafkaError::NotLeaderOrFollower,
                    Outcome::NothingWritten,
                ));
            }
            Err(_) => {
                return Err(refused(
                    KafkaError::RequestTimedOut,
                    Outcome::NothingWritten,
                ));
            }
        }
        if acks == RequiredAcks::None {
            return Ok(AppendResponse {
                base_offset: None,
                log_append_time: None,
                leader_epoch,
            });
        }
        match tokio::time::timeout_at(deadline + GRACE, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(refused(KafkaError::NotLeaderOrFollower, Outcome::Unknown)),
            Err(_) => Err(refused(KafkaError::RequestTimedOut, Outcome::Unknown)),
        }
    }

    /// The bounds of the log, as consumers may rely on them.
    ///
    /// # Errors
    /// This broker does not lead; or it has begun to and does not know yet how far its
    /// predecessors' records are committed (`OFFSET_NOT_AVAILABLE`, retriable).
    pub fn offsets(&self) -> Result<PartitionOffsets, ApiError> {
        let leader_epoch = self.leading()?;
        let status = self.status();
        if Some(status.high_watermark) < status.epoch_start {
            let message = format!(
                "{}: the new leader does not know yet how far the records are committed",
                self.0.name
            );
            return Err(ApiError::kafka(KafkaError::OffsetNotAvailable, message));
        }
        Ok(PartitionOffsets {
            log_start: status.log_start,
            high_watermark: status.high_watermark,
            log_end: status.log_end,
            leader_epoch,
            found: None,
        })
    }

    /// Passes the newest metadata on to the owner; `false` when it has ended.
    pub async fn assign(&self, assignment: Assignment) -> bool {
        self.send(Event::Assign(Box::new(assignment))).await
    }

    /// Ends the owner and waits for it.
    ///
    /// # Errors
    /// The log could not be made durable; the directory was not closed cleanly.
    pub async fn close(&self, how: Closing) -> Result<(), String> {
        let (reply, closed) = oneshot::channel();
        if !self.send(Event::Close(how, reply)).await {
            return Err("the owner has ended before".to_owned());
        }
        closed
            .await
            .unwrap_or_else(|_| Err("the owner ended without closing its log".to_owned()))
    }

    pub(crate) async fn send(&self, event: Event) -> bool {
        self.0.mailbox.send(event).await.is_ok()
    }

    /// Where events go; a test takes a place in it beforehand.
    #[cfg(test)]
    pub(super) fn mailbox(&self) -> &mpsc::Sender<Event> {
        &self.0.mailbox
    }

    pub(super) fn send_blocking(&self, event: Event) -> bool {
        self.0.mailbox.blocking_send(event).is_ok()
    }

    /// Whether both are the same replica in the same life: of one that was set aside and begun anew
    /// there are two.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn seats(&self) -> &Seats {
        &self.0.seats
    }

    pub(crate) fn reader(&self) -> &LogReader {
        &self.0.reader
    }

    pub(super) fn name(&self) -> &str {
        &self.0.name
    }

    pub(super) fn watch(&self) -> watch::Receiver<PartitionStatus> {
        self.0.status.clone()
    }

    /// The epoch that this broker leads in.
    pub(super) fn leading(&self) -> Result<LeaderEpoch, ApiError> {
        let status = self.status();
        match (status.role, status.leader_epoch) {
            (PartitionRole::Leader, Some(epoch)) => Ok(epoch),
            (PartitionRole::Failed, _) => {
                Err(not_serving(&self.0.name, KafkaError::KafkaStorageError))
            }
            _ => Err(not_serving(&self.0.name, KafkaError::NotLeaderOrFollower)),
        }
    }
}
