//! [`InvalidRecord`]: why a record makes no sense in an image.

use trimaran_types::{BrokerEpoch, BrokerId, PartitionIndex, TopicId, TopicName};

use crate::image::InvalidPartition;

/// Why a record makes no sense in an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecord {
    /// It is about a broker that is not registered.
    #[error("broker {broker} is not registered")]
    UnknownBroker {
        /// The broker.
        broker: BrokerId,
    },
    /// It is about another registration of the broker, or takes the broker's epoch back.
    #[error("broker {broker} is registered under epoch {registered}, the record has {named}")]
    BrokerEpochMismatch {
        /// The broker.
        broker: BrokerId,
        /// The epoch in the record.
        named: BrokerEpoch,
        /// The epoch in the image.
        registered: BrokerEpoch,
    },
    /// It would take a controlled shutdown back.
    #[error("controlled shutdown of broker {broker} cannot be taken back")]
    ShutdownTakenBack {
        /// The broker.
        broker: BrokerId,
    },
    /// It unregisters a broker that still leads.
    #[error("broker {broker} still leads partition {partition} of topic {topic}")]
    BrokerStillLeads {
        /// The broker.
        broker: BrokerId,
        /// A topic it leads a partition of.
        topic: TopicName,
        /// That partition.
        partition: PartitionIndex,
    },
    /// It is about a topic that does not exist.
    #[error("topic {topic_id} does not exist")]
    UnknownTopic {
        /// The topic.
        topic_id: TopicId,
    },
    /// It creates a topic whose id is taken.
    #[error("topic id {topic_id} is taken")]
    TopicIdTaken {
        /// The id.
        topic_id: TopicId,
    },
    /// It creates a topic whose name is taken, or would be mistaken for another.
    #[error("topic name {name} collides with {existing}")]
    TopicNameTaken {
        /// The name.
        name: TopicName,
        /// The existing name.
        existing: TopicName,
    },
    /// It is about a partition that does not exist.
    #[error("partition {partition} of topic {topic_id} does not exist")]
    UnknownPartition {
        /// The topic.
        topic_id: TopicId,
        /// The partition.
        partition: PartitionIndex,
    },
    /// It creates a partition out of order.
    #[error("partition {partition} of topic {topic_id} created out of order, the next is {next}")]
    PartitionOutOfOrder {
        /// The topic.
        topic_id: TopicId,
        /// The partition.
        partition: PartitionIndex,
        /// The number that comes next.
        next: usize,
    },
    /// It would put a partition into a state that cannot be.
    #[error("partition {partition} of topic {topic_id} would be invalid")]
    Partition {
        /// The topic.
        topic_id: TopicId,
        /// The partition.
        partition: PartitionIndex,
        /// What would be wrong.
        #[source]
        cause: InvalidPartition,
    },
    /// It changes replicas and does not say where they are.
    #[error("replicas of partition {partition} of topic {topic_id} change without directories")]
    ReplicasWithoutDirectories {
        /// The topic.
        topic_id: TopicId,
        /// The partition.
        partition: PartitionIndex,
    },
    /// An epoch of the partition has reached its end.
    #[error("partition {partition} of topic {topic_id} has used up its epochs")]
    EpochsUsedUp {
        /// The topic.
        topic_id: TopicId,
        /// The partition.
        partition: PartitionIndex,
    },
    /// It configures something that does not exist.
    #[error("{name:?} is nothing that can be configured")]
    UnknownConfigResource {
        /// The name in the record.
        name: String,
    },
    /// It hands producer ids out that were handed out before.
    #[error("next producer id {named} is below {next}")]
    ProducerIdsTakenBack {
        /// The id in the record.
        named: u64,
        /// The id in the image.
        next: u64,
    },
}
