//! [`Unopened`]: logs of the last run that could not be opened at the start for want of room or of
//! descriptors. They are tried again with everything that was known of them then: as logs that begin
//! now they would be measured by less.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use trimaran_types::{DirectoryId, TopicIdPartition, TopicPartition};

use super::create::Known;

/// The logs that were not opened, by partition: never more than the broker hosts.
#[derive(Debug, Default)]
pub(super) struct Unopened(Mutex<BTreeMap<TopicIdPartition, Waiting>>);

/// One log that was not opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) topic: TopicPartition,
    /// Where it was found.
    pub(super) place: DirectoryId,
    pub(super) known: Known,
}

impl Unopened {
    pub(super) fn note(&self, id: TopicIdPartition, waiting: Waiting) {
        self.lock().insert(id, waiting);
    }

    pub(super) fn get(&self, id: TopicIdPartition) -> Option<Waiting> {
        self.lock().get(&id).cloned()
    }

    /// It is open now, known as damaged, or nobody asks for it any more.
    pub(super) fn forget(&self, id: TopicIdPartition) -> Option<Waiting> {
        self.lock().remove(&id)
    }

    /// Whether one of them lies in the directory, which then cannot be called clean: what the last
    /// stop left of its tail was not looked at.
    pub(super) fn has_some_in(&self, place: DirectoryId) -> bool {
        self.lock().values().any(|waiting| waiting.place == place)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TopicIdPartition, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
