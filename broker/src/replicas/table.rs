//! [`ReplicaTable`]: which replicas are open on this broker.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use trimaran_types::{TopicIdPartition, TopicPartition};

use crate::partition::PartitionHandle;

/// The open replicas, by topic id and partition.
#[derive(Debug, Default)]
pub struct ReplicaTable {
    open: RwLock<HashMap<TopicIdPartition, PartitionHandle>>,
    /// Replicas whose logs are damaged and may hold the only good copy of something.
    damaged: RwLock<HashMap<TopicIdPartition, TopicPartition>>,
}

impl ReplicaTable {
    /// The replica, if this broker has it.
    #[must_use]
    pub fn get(&self, partition: TopicIdPartition) -> Option<PartitionHandle> {
        self.open
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&partition)
            .cloned()
    }

    /// Every replica, in no order.
    #[must_use]
    pub fn all(&self) -> Vec<PartitionHandle> {
        self.open
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn insert(&self, handle: PartitionHandle) {
        self.open
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(handle.id(), handle);
    }

    pub(super) fn remove(&self, partition: TopicIdPartition) -> Option<PartitionHandle> {
        self.open
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&partition)
    }

    /// Keeps a replica out of service until others have all that it had.
    pub(super) fn mark_damaged(&self, partition: TopicIdPartition, name: TopicPartition) {
        self.damaged
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(partition, name);
    }

    /// Whether the replica is kept out of service.
    #[must_use]
    pub fn is_damaged(&self, partition: TopicIdPartition) -> bool {
        self.damaged
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(&partition)
    }

    /// Forgets a damaged replica and tells its name.
    pub(super) fn unmark_damaged(&self, partition: TopicIdPartition) -> Option<TopicPartition> {
        self.damaged
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&partition)
    }

    /// The damaged replicas, in no order.
    pub(super) fn damaged(&self) -> Vec<TopicPartition> {
        self.damaged
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    pub(super) fn has_damaged(&self) -> bool {
        !self
            .damaged
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }
}
