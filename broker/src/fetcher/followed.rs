//! [`FollowedPartitions`]: what one loop is to fetch, as the metadata wants it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use trimaran_types::{LeaderEpoch, TopicIdPartition};

use crate::partition::PartitionHandle;

/// The partitions of one leader. Changed by the assignments, read by the loop.
#[derive(Debug, Default)]
pub(super) struct FollowedPartitions {
    wanted: Mutex<BTreeMap<TopicIdPartition, (PartitionHandle, LeaderEpoch)>>,
    /// Raised by every change, so that the loop need not compare all partitions each time.
    version: AtomicU64,
    additions: Notify,
}

impl FollowedPartitions {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<TopicIdPartition, (PartitionHandle, LeaderEpoch)>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn insert(&self, handle: PartitionHandle, epoch: LeaderEpoch) {
        self.lock().insert(handle.id(), (handle, epoch));
        self.version.fetch_add(1, Ordering::Release);
        self.additions.notify_one();
    }

    /// The loop finds out before its next request; what it is waiting for may go on.
    pub(super) fn remove(&self, partition: TopicIdPartition) {
        self.lock().remove(&partition);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Differs from an earlier answer when something was added or removed in between.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// All of it, as it is now.
    pub(super) fn all(&self) -> BTreeMap<TopicIdPartition, (PartitionHandle, LeaderEpoch)> {
        self.lock().clone()
    }

    /// Whether anything is wanted.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Forgets what was added so far: the caller is about to look at all of it.
    pub(super) fn acknowledge_additions(&self) {
        let _ = futures_util::FutureExt::now_or_never(self.additions.notified());
    }

    /// Waits for something new. What came before the call counts, once.
    pub(super) async fn additions(&self) {
        self.additions.notified().await;
    }
}
