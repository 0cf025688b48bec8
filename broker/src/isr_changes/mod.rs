//! ISR changes: what the partitions' leaders propose, sent to the controllers, answered.
//!
//! One request is in flight for the whole broker, with the proposals of all partitions in it. It is
//! repeated until it is answered: until then the leaders must assume that it may have taken effect
//! (KIP-497). Bound: one proposal for each partition.

mod request;
mod worker;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use trimaran_replication::leader::IsrProposal;
use trimaran_types::TopicIdPartition;

pub use worker::IsrWorker;

/// Where leaders put their proposals. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct IsrChanges(Arc<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    proposals: Mutex<BTreeMap<TopicIdPartition, IsrProposal>>,
    news: Notify,
}

impl IsrChanges {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TopicIdPartition, IsrProposal>> {
        self.0
            .proposals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `proposal` sent; it replaces an earlier one of the partition.
    pub fn propose(&self, partition: TopicIdPartition, proposal: IsrProposal) {
        self.lock().insert(partition, proposal);
        self.0.news.notify_one();
    }

    /// The leadership has ended; what was not sent yet need not be.
    pub fn withdraw(&self, partition: TopicIdPartition) {
        self.lock().remove(&partition);
    }

    /// Takes up to `count_max` proposals.
    fn take(&self, count_max: usize) -> BTreeMap<TopicIdPartition, IsrProposal> {
        let mut waiting = self.lock();
        let rest = waiting.keys().nth(count_max).copied();
        let later = rest.map(|key| waiting.split_off(&key)).unwrap_or_default();
        let taken = std::mem::replace(&mut *waiting, later);
        if !waiting.is_empty() {
            self.0.news.notify_one();
        }
        taken
    }

    /// Puts back what could not be sent, unless the partition has proposed anew.
    fn put_back(&self, proposals: BTreeMap<TopicIdPartition, IsrProposal>) {
        let mut waiting = self.lock();
        for (partition, proposal) in proposals {
            waiting.entry(partition).or_insert(proposal);
        }
        self.0.news.notify_one();
    }

    async fn news(&self) {
        self.0.news.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use trimaran_replication::leader::IsrChange;
    use trimaran_types::{BrokerId, LeaderEpoch, PartitionEpoch, PartitionIndex, TopicId};

    use super::*;

    fn id(partition: u32) -> TopicIdPartition {
        let topic_id = TopicId::from_uuid(uuid::Uuid::from_u128(1));
        TopicIdPartition {
            topic_id,
            partition: PartitionIndex(partition),
        }
    }

    fn proposal(partition_epoch: i32) -> IsrProposal {
        IsrProposal {
            leader_epoch: LeaderEpoch(0),
            partition_epoch: PartitionEpoch(partition_epoch),
            members: Vec::new(),
            change: IsrChange::Expand(BrokerId(2)),
        }
    }

    #[tokio::test]
    async fn proposals_are_taken_in_bounded_rounds_and_newer_ones_win() {
        let changes = IsrChanges::new();
        for partition in 0..5 {
            changes.propose(id(partition), proposal(1));
        }
        changes.withdraw(id(4));
        changes.news().await;
        let first = changes.take(3);
        assert_eq!(
            first.keys().copied().collect::<Vec<_>>(),
            [id(0), id(1), id(2)]
        );
        // What was left behind is news by itself.
        changes.news().await;
        changes.propose(id(1), proposal(2));
        changes.put_back(first);
        let second = changes.take(10);
        let epochs: Vec<i32> = second
            .values()
            .map(|known| known.partition_epoch.0)
            .collect();
        assert_eq!(epochs, [1, 2, 1, 1]);
        assert!(changes.take(10).is_empty());
    }
}
