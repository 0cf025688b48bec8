//! [`WorkloadPlan`]: who writes and reads what.

use crate::client::OnUnknown;

/// A topic and its clients.
#[derive(Debug, Clone)]
pub struct WorkloadPlan {
    pub(super) topic: String,
    pub(super) partitions: u32,
    pub(super) producers: u32,
    pub(super) consumers: u32,
    pub(super) replication_factor: u32,
    pub(super) configs: Vec<(String, String)>,
    pub(super) on_unknown: OnUnknown,
}

impl WorkloadPlan {
    /// Four partitions of three replicas, three producers of 1, 2 and 3 records a request, and two
    /// consumers of every partition.
    #[must_use]
    pub fn new(topic: &str) -> Self {
        Self {
            topic: topic.to_owned(),
            partitions: 4,
            producers: 3,
            consumers: 2,
            replication_factor: 3,
            configs: Vec::new(),
            on_unknown: OnUnknown::LeaveIt,
        }
    }

    /// The same with so many partitions.
    #[must_use]
    pub const fn partitions(mut self, partitions: u32) -> Self {
        self.partitions = partitions;
        self
    }

    /// The same with a setting of the topic.
    #[must_use]
    pub fn config(mut self, name: &str, value: impl ToString) -> Self {
        self.configs.push((name.to_owned(), value.to_string()));
        self
    }

    /// The same with producers that send values of unknown fate again.
    #[must_use]
    pub const fn at_least_once(mut self) -> Self {
        self.on_unknown = OnUnknown::SendAgain;
        self
    }
}
