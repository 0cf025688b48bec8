//! [`Queue`]: which logs are being cleaned, and which are left alone.

use std::collections::{HashMap, HashSet};

use trimaran_types::TopicIdPartition;

/// What the threads agree on. Its sets hold replicas of this broker only.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) is_stopping: bool,
    /// A thread is at them.
    pub(super) busy: HashSet<TopicIdPartition>,
    /// They could not be cleaned, and why.
    pub(super) uncleanable: HashMap<TopicIdPartition, String>,
}

impl Queue {
    /// Whether a thread may take the log.
    pub(super) fn is_free(&self, id: TopicIdPartition) -> bool {
        !self.busy.contains(&id) && !self.uncleanable.contains_key(&id)
    }

    /// Forgets logs that are no more.
    pub(super) fn retain(&mut self, hosted: &HashSet<TopicIdPartition>) {
        self.uncleanable.retain(|id, _| hosted.contains(id));
    }
}
