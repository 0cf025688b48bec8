//! [`ReplicaTable`]: which replicas are open on this broker.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use trimaran_types::{LeaderEpoch, TopicIdPartition, TopicPartition};

use super::damage::{Damage, Found};
use crate::partition::PartitionHandle;

/// The open replicas, by topic id and partition.
#[derive(Debug, Default)]
pub struct ReplicaTable {
    open: RwLock<HashMap<TopicIdPartition, PartitionHandle>>,
    /// Replicas whose logs are damaged and may hold the only good copy of something.
    damaged: RwLock<HashMap<TopicIdPartition, Damage>>,
    /// Replicas that go on with the log of an earlier run.
    found: RwLock<BTreeSet<TopicIdPartition>>,
}

impl ReplicaTable {
    /// The replica, if this broker has it.
    #[must_use]
    pub fn get(&self, partition: TopicIdPartition) -> Option<PartitionHandle> {
        read(&self.open).get(&partition).cloned()
    }

    /// Whether this very replica is open, not one that was begun in its place.
    #[must_use]
    pub fn has(&self, handle: &PartitionHandle) -> bool {
        self.get(handle.id()).is_some_and(|it| it.is_same(handle))
    }

    /// Every replica, in no order.
    #[must_use]
    pub fn all(&self) -> Vec<PartitionHandle> {
        read(&self.open).values().cloned().collect()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        read(&self.open).len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn insert(&self, handle: PartitionHandle) {
        write(&self.open).insert(handle.id(), handle);
    }

    pub(super) fn remove(&self, partition: TopicIdPartition) -> Option<PartitionHandle> {
        write(&self.found).remove(&partition);
        write(&self.open).remove(&partition)
    }

    /// Keeps a replica out of service.
    pub(super) fn mark_damaged(&self, partition: TopicIdPartition, damage: Damage) {
        write(&self.damaged).insert(partition, damage);
    }

    /// The same for one in service; false when it is in service no more, or known as damaged already.
    pub(super) fn begin_damage(&self, handle: &PartitionHandle, damage: Damage) -> bool {
        let partition = handle.id();
        let open = read(&self.open);
        if !open.get(&partition).is_some_and(|it| it.is_same(handle)) {
            return false;
        }
        write(&self.found).remove(&partition);
        match write(&self.damaged).entry(partition) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(damage);
                true
            }
        }
    }

    /// The owner of a damaged replica has ended; `leader_epoch` is the last that it may have served
    /// in.
    pub(super) fn damage_ended(&self, partition: TopicIdPartition, leader_epoch: LeaderEpoch) {
        if let Some(damage) = write(&self.damaged).get_mut(&partition) {
            damage.found = Found::Ended(leader_epoch);
        }
    }

    /// What is wrong with the replica, if it is kept out of service.
    pub(super) fn damage(&self, partition: TopicIdPartition) -> Option<Damage> {
        read(&self.damaged).get(&partition).cloned()
    }

    /// Forgets a damaged replica and tells its name.
    pub(super) fn unmark_damaged(&self, partition: TopicIdPartition) -> Option<TopicPartition> {
        let damage = write(&self.damaged).remove(&partition);
        damage.map(|damage| damage.name)
    }

    /// The damaged replicas, in no order.
    pub(super) fn damaged(&self) -> Vec<(TopicIdPartition, Damage)> {
        let damaged = read(&self.damaged);
        damaged
            .iter()
            .map(|(id, damage)| (*id, damage.clone()))
            .collect()
    }

    pub(super) fn has_damaged(&self) -> bool {
        !read(&self.damaged).is_empty()
    }

    /// The log of an earlier run was found and is in order.
    pub(super) fn mark_found(&self, partition: TopicIdPartition) {
        write(&self.found).insert(partition);
    }

    /// The replicas that go on with the log of an earlier run, in order.
    pub(super) fn found_in_order(&self) -> Vec<TopicIdPartition> {
        read(&self.found).iter().copied().collect()
    }
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
