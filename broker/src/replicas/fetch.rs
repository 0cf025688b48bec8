//! A follower's fetch over many partitions: one long poll (KIP-227).
//!
//! It is answered at once when any partition has records, an error or a divergence; else it waits
//! until one has, or until its time is up. A partition whose fetch repeats what its owner has
//! settled does not wake the owner, so idle partitions cost next to nothing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;
use trimaran_api::replica::{
    DivergingEpoch, FetchPartition, FetchPartitionResult, ReplicaFetchRequest, ReplicaFetchResponse,
};
use trimaran_commit_log::ReadError;
use trimaran_replication::leader::{FetchAnswer, FollowerFetch};
use trimaran_types::limits::{
    LONG_POLL_MS_MAX, REPLICA_FETCH_BYTES_MAX, REPLICA_FETCH_PARTITION_BYTES_MAX,
};
use trimaran_types::{KafkaError, LeaderEpoch, Offset, TopicIdPartition};

use super::Replicas;
use crate::partition::{
    Event, FetchReply, FetchWaiter, FollowerRequest, PartitionHandle, PartitionRole,
};

impl Replicas {
    /// Answers a follower.
    pub async fn follower_fetch(&self, request: &ReplicaFetchRequest) -> ReplicaFetchResponse {
        let wait = Duration::from_millis(request.wait_ms.min(LONG_POLL_MS_MAX));
        let deadline = Instant::now() + wait;
        let waiter = Arc::new(FetchWaiter::default());
        loop {
            let partitions = self.fetch_once(request, &waiter).await;
            let is_late = Instant::now() >= deadline;
            if !partitions.is_empty() || is_late {
                return self.with_high_watermarks(request, partitions);
            }
            if tokio::time::timeout_at(deadline, waiter.woken())
                .await
                .is_err()
            {
                return self.with_high_watermarks(request, Vec::new());
            }
            // Other partitions that are about to write join the answer; nobody is waited for.
            tokio::task::yield_now().await;
        }
    }

    /// Asks every partition that may have something to say.
    async fn fetch_once(
        &self,
        request: &ReplicaFetchRequest,
        waiter: &Arc<FetchWaiter>,
    ) -> Vec<FetchPartitionResult> {
        let mut results = Vec::new();
        let mut asked = Vec::new();
        for wanted in &request.partitions {
            let Some(handle) = self.table.get(wanted.partition) else {
                results.push(refused(
                    wanted.partition,
                    KafkaError::NotLeaderOrFollower,
                    None,
                ));
                continue;
            };
            let fetch = follower_fetch(request, wanted);
            if handle.seats().park_again(&fetch, waiter) {
                continue;
            }
            let (reply, answer) = oneshot::channel();
            let waiter = Arc::clone(waiter);
            let event = Event::FollowerFetch(Box::new(FollowerRequest {
                fetch,
                waiter,
                reply,
            }));
            if handle.send(event).await {
                asked.push((handle, fetch.leader_epoch, answer));
            } else {
                results.push(refused(
                    wanted.partition,
                    KafkaError::NotLeaderOrFollower,
                    None,
                ));
            }
        }
        let mut room = Room::new(request.bytes_max);
        for (handle, epoch, answer) in asked {
            let Ok(reply) = answer.await else {
                results.push(refused(handle.id(), KafkaError::NotLeaderOrFollower, None));
                continue;
            };
            let result = result_of(&handle, epoch, &reply, &mut room);
            let has_failed = result
                .as_ref()
                .is_some_and(|result| result.error == Some(KafkaError::KafkaStorageError));
            if let (true, FetchAnswer::Read { from, before }) = (has_failed, reply.answer) {
                self.check_again(&handle, from, before);
            }
            results.extend(result);
        }
        results
    }

    /// Adds the partitions that have nothing but a new high watermark or log start, and notes what was told.
    fn with_high_watermarks(
        &self,
        request: &ReplicaFetchRequest,
        mut partitions: Vec<FetchPartitionResult>,
    ) -> ReplicaFetchResponse {
        let answered: std::collections::HashSet<TopicIdPartition> =
            partitions.iter().map(|result| result.partition).collect();
        // What comes with a divergence is about another history, and the follower ignores it.
        let agrees =
            |result: &&FetchPartitionResult| result.error.is_none() && result.diverging.is_none();
        for result in partitions.iter().filter(agrees) {
            if let Some(handle) = self.table.get(result.partition) {
                handle.seats().tell(
                    request.replica_id,
                    (result.high_watermark, result.log_start),
                );
            }
        }
        for wanted in &request.partitions {
            if answered.contains(&wanted.partition) {
                continue;
            }
            let Some(handle) = self.table.get(wanted.partition) else {
                continue;
            };
            let status = handle.status();
            // Only of the leadership that the follower asked: another history's high watermark
            // could lie beyond where the two part.
            let is_parked = status.leader_epoch == Some(wanted.current_leader_epoch)
                && handle
                    .seats()
                    .is_parked(request.replica_id, wanted.fetch_offset);
            // One that waits for nothing but its own disk looks there before it asks again.
            let may_have_synced = status.counts_synced && wanted.flushed_end < wanted.fetch_offset;
            let bounds = (status.high_watermark, status.log_start);
            if is_parked && (handle.seats().tell(request.replica_id, bounds) || may_have_synced) {
                partitions.push(FetchPartitionResult {
                    partition: wanted.partition,
                    error: None,
                    high_watermark: status.high_watermark,
                    log_start: status.log_start,
                    diverging: None,
                    records: Bytes::new(),
                });
            }
        }
        ReplicaFetchResponse { partitions }
    }
}

fn follower_fetch(request: &ReplicaFetchRequest, wanted: &FetchPartition) -> FollowerFetch {
    FollowerFetch {
        replica: request.replica_id,
        broker_epoch: request.broker_epoch,
        leader_epoch: wanted.current_leader_epoch,
        fetch_offset: wanted.fetch_offset,
        flushed_end: wanted.flushed_end,
        last_fetched_epoch: wanted.last_fetched_epoch,
        log_start: wanted.log_start,
    }
}

/// What is left of an answer's bytes. The first batch of the first partition always fits, so that
/// there is progress however large it is.
pub(super) struct Room {
    bytes_left: usize,
    is_first: bool,
}

impl Room {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_left: bytes_max.min(REPLICA_FETCH_BYTES_MAX),
            is_first: true,
        }
    }

    /// How much the next partition may send; `None` when the answer is full.
    fn next(&self) -> Option<usize> {
        (self.is_first || self.bytes_left > 0)
            .then(|| self.bytes_left.min(REPLICA_FETCH_PARTITION_BYTES_MAX))
    }

    fn take(&mut self, bytes: usize) {
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
        self.is_first &= bytes == 0;
    }
}

/// The result to send of a fetch in `epoch`; `None` when there is nothing to say.
pub(super) fn result_of(
    handle: &PartitionHandle,
    epoch: LeaderEpoch,
    reply: &FetchReply,
    room: &mut Room,
) -> Option<FetchPartitionResult> {
    let bounds = Some((reply.high_watermark, reply.log_start));
    let success = |diverging, records| FetchPartitionResult {
        partition: handle.id(),
        error: None,
        high_watermark: reply.high_watermark,
        log_start: reply.log_start,
        diverging,
        records,
    };
    match reply.answer {
        FetchAnswer::Refused(error) => Some(refused(handle.id(), error, bounds)),
        FetchAnswer::Diverging { epoch, end } => Some(success(
            Some(DivergingEpoch {
                epoch,
                end_offset: end,
            }),
            Bytes::new(),
        )),
        FetchAnswer::Read { from, before } if from == before => None,
        FetchAnswer::Read { from, before } => {
            match handle.reader().read(from, before, room.next()?) {
                // The history that the follower's was compared with ended before or while it was
                // read, so the bytes may be of another one. A log is cut only after its role was
                // shown to have changed.
                Ok(_) if !leads_in(handle, epoch) => Some(refused(
                    handle.id(),
                    KafkaError::NotLeaderOrFollower,
                    bounds,
                )),
                Ok(records) => {
                    room.take(records.len());
                    Some(success(None, records))
                }
                // Cut meanwhile: the follower asks again and hears of it.
                Err(ReadError::OutOfRange { .. } | ReadError::Truncating) => Some(refused(
                    handle.id(),
                    KafkaError::NotLeaderOrFollower,
                    bounds,
                )),
                Err(error) => {
                    tracing::error!(partition = %handle.topic(), %error, "cannot read for a follower");
                    Some(refused(handle.id(), KafkaError::KafkaStorageError, bounds))
                }
            }
        }
    }
}

/// Whether the replica leads in this epoch now.
pub(super) fn leads_in(handle: &PartitionHandle, epoch: LeaderEpoch) -> bool {
    let status = handle.status();
    status.role == PartitionRole::Leader && status.leader_epoch == Some(epoch)
}

fn refused(
    partition: TopicIdPartition,
    error: KafkaError,
    bounds: Option<(Offset, Offset)>,
) -> FetchPartitionResult {
    let (high_watermark, log_start) = bounds.unwrap_or((Offset::ZERO, Offset::ZERO));
    FetchPartitionResult {
        partition,
        error: Some(error),
        high_watermark,
        log_start,
        diverging: None,
        records: Bytes::new(),
    }
}
