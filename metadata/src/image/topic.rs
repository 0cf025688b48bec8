//! [`TopicImage`]: one topic and its partitions.

use std::sync::Arc;

use imbl::OrdMap;
use serde::Serialize;
use trimaran_types::{PartitionIndex, TopicId, TopicName};

use super::PartitionState;

/// One topic and its partitions, numbered from 0 without a gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicImage {
    /// Its id.
    pub topic_id: TopicId,
    /// Its name.
    pub name: TopicName,
    partitions: OrdMap<PartitionIndex, Arc<PartitionState>>,
}

impl TopicImage {
    pub(crate) fn new(topic_id: TopicId, name: TopicName) -> Self {
        Self {
            topic_id,
            name,
            partitions: OrdMap::new(),
        }
    }

    /// The state of a partition.
    #[must_use]
    pub fn partition(&self, partition: PartitionIndex) -> Option<&PartitionState> {
        self.partitions.get(&partition).map(Arc::as_ref)
    }

    /// Every partition, by number.
    pub fn partitions(&self) -> impl Iterator<Item = (PartitionIndex, &PartitionState)> {
        self.partitions
            .iter()
            .map(|(index, state)| (*index, state.as_ref()))
    }

    /// How many partitions it has.
    #[must_use]
    pub fn partition_count(&self) -> usize {
        self.partitions.len()
    }

    pub(crate) const fn map(&self) -> &OrdMap<PartitionIndex, Arc<PartitionState>> {
        &self.partitions
    }

    pub(crate) fn set_partition(&mut self, partition: PartitionIndex, state: PartitionState) {
        self.partitions.insert(partition, Arc::new(state));
    }
}
