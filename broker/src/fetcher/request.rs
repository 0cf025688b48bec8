//! What a loop remembers of each partition, and the request that it makes of them.

use std::collections::BTreeMap;

use tokio::sync::oneshot;
use tokio::time::Instant;
use trimaran_api::replica::{FetchPartition, ReplicaFetchRequest};
use trimaran_replication::follower::FetchPosition;
use trimaran_types::limits::REPLICA_FETCH_BYTES_MAX;
use trimaran_types::{BrokerEpoch, BrokerId, LeaderEpoch, TopicIdPartition};

use super::backoff::Backoff;
use super::followed::FollowedPartitions;
use crate::partition::{Event, FollowerNext, PartitionHandle};

/// One partition, as its loop sees it.
#[derive(Debug)]
pub(super) struct Following {
    pub(super) handle: PartitionHandle,
    epoch: LeaderEpoch,
    /// What to ask next; `None` when this leader epoch has nothing more to give.
    pub(super) position: Option<FetchPosition>,
    pub(super) paused_until: Option<Instant>,
    pub(super) backoff: Backoff,
}

/// The partitions of one loop.
#[derive(Debug, Default)]
pub(super) struct Positions {
    by_id: BTreeMap<TopicIdPartition, Following>,
    /// The version of the wanted partitions that these are in line with.
    version: Option<u64>,
    /// The partition that the last request began after, so that none starves behind a full answer.
    turn: Option<TopicIdPartition>,
}

impl Positions {
    /// Brings the partitions in line with what is wanted; new ones are asked where they stand.
    pub(super) async fn follow(&mut self, followed: &FollowedPartitions) {
        followed.acknowledge_additions();
        let version = followed.version();
        if self.version == Some(version) {
            return;
        }
        self.version = Some(version);
        let wanted = followed.all();
        self.by_id.retain(|id, known| {
            wanted
                .get(id)
                .is_some_and(|(_, epoch)| *epoch == known.epoch)
        });
        let mut asked = Vec::new();
        for (id, (handle, epoch)) in wanted {
            if !self.by_id.contains_key(&id) {
                let (reply, answer) = oneshot::channel();
                if handle.send(Event::Where(reply)).await {
                    asked.push((handle, epoch, answer));
                }
            }
        }
        for (handle, epoch, answer) in asked {
            let Ok(FollowerNext { position, .. }) = answer.await else {
                continue;
            };
            // Its owner may have gone on to another epoch, of which news are under way.
            let position = position.filter(|position| position.leader_epoch == epoch);
            let (paused_until, backoff) = (None, Backoff::default());
            let id = handle.id();
            let following = Following {
                handle,
                epoch,
                position,
                paused_until,
                backoff,
            };
            self.by_id.insert(id, following);
        }
    }

    pub(super) fn get_mut(&mut self, partition: TopicIdPartition) -> Option<&mut Following> {
        self.by_id.get_mut(&partition)
    }

    /// When the first pause ends; `None` when nothing is paused.
    pub(super) fn next_turn(&self) -> Option<Instant> {
        let active = self.by_id.values().filter(|known| known.position.is_some());
        active.filter_map(|known| known.paused_until).min()
    }

    /// A request for all partitions that are not paused; `None` when there are none.
    pub(super) fn request(
        &mut self,
        now: Instant,
        replica_id: BrokerId,
        broker_epoch: BrokerEpoch,
        wait_ms: u64,
    ) -> Option<ReplicaFetchRequest> {
        // A pause that is over must not shorten the long poll any more.
        for known in self.by_id.values_mut() {
            known.paused_until = known.paused_until.filter(|until| *until > now);
        }
        let ready = |known: &&Following| known.paused_until.is_none();
        let ask = |known: &Following| {
            let position = known.position?;
            Some(FetchPartition {
                partition: known.handle.id(),
                current_leader_epoch: position.leader_epoch,
                fetch_offset: position.fetch_offset,
                flushed_end: position.flushed_end,
                last_fetched_epoch: position.last_fetched_epoch,
                log_start: position.log_start,
            })
        };
        let mut partitions: Vec<FetchPartition> =
            self.by_id.values().filter(ready).filter_map(ask).collect();
        if partitions.is_empty() {
            return None;
        }
        let first = partitions.partition_point(|asked| Some(asked.partition) <= self.turn);
        let first = if first == partitions.len() { 0 } else { first };
        partitions.rotate_left(first);
        self.turn = partitions.first().map(|asked| asked.partition);
        // A pause that ends soon must not wait for the long poll.
        let pause_ms = self.next_turn().map(|until| {
            let pause = until.saturating_duration_since(now).as_millis();
            u64::try_from(pause).unwrap_or(u64::MAX).max(1)
        });
        let wait_ms = pause_ms.map_or(wait_ms, |pause_ms| pause_ms.min(wait_ms));
        let bytes_max = REPLICA_FETCH_BYTES_MAX;
        Some(ReplicaFetchRequest {
            replica_id,
            broker_epoch,
            wait_ms,
            bytes_max,
            partitions,
        })
    }
}
