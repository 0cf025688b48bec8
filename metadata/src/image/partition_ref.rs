//! [`PartitionRef`] and the questions about all partitions.
//!
//! Each question walks every partition, some 20 ns apiece: milliseconds at 100,000 partitions.
//! They are asked when a broker comes or goes and by people, not on the data path.

use trimaran_types::{BrokerId, PartitionIndex, TopicIdPartition};

use super::{MetadataImage, PartitionState, TopicImage};

/// A partition found in an image.
#[derive(Debug, Clone, Copy)]
pub struct PartitionRef<'a> {
    /// Its topic.
    pub topic: &'a TopicImage,
    /// Its number.
    pub partition: PartitionIndex,
    /// Its state.
    pub state: &'a PartitionState,
}

impl PartitionRef<'_> {
    /// The partition's identity.
    #[must_use]
    pub const fn id(&self) -> TopicIdPartition {
        TopicIdPartition {
            topic_id: self.topic.topic_id,
            partition: self.partition,
        }
    }
}

impl MetadataImage {
    /// Every partition, by topic id and number. O(partitions).
    pub fn partitions(&self) -> impl Iterator<Item = PartitionRef<'_>> {
        self.topics.map().values().flat_map(|topic| {
            let topic = topic.as_ref();
            topic
                .partitions()
                .map(move |(partition, state)| PartitionRef {
                    topic,
                    partition,
                    state,
                })
        })
    }

    /// The partitions that a broker hosts a replica of. O(partitions).
    pub fn partitions_hosted_on(&self, broker: BrokerId) -> impl Iterator<Item = PartitionRef<'_>> {
        self.partitions()
            .filter(move |found| found.state.replicas.contains(&broker))
    }

    /// The partitions that a broker leads. O(partitions).
    pub fn partitions_led_by(&self, broker: BrokerId) -> impl Iterator<Item = PartitionRef<'_>> {
        self.partitions()
            .filter(move |found| found.state.leader == Some(broker))
    }

    /// The partitions whose ISR a broker is in. O(partitions).
    pub fn partitions_in_sync_on(
        &self,
        broker: BrokerId,
    ) -> impl Iterator<Item = PartitionRef<'_>> {
        self.partitions()
            .filter(move |found| found.state.isr.contains(&broker))
    }

    /// The partitions without a leader. O(partitions).
    pub fn leaderless_partitions(&self) -> impl Iterator<Item = PartitionRef<'_>> {
        self.partitions()
            .filter(|found| found.state.leader.is_none())
    }
}
