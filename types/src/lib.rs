//! The vocabulary of the cluster: ids, epochs, offsets, record batches, error codes, limits.
//!
//! Pure: nothing here touches a clock, a disk, a socket or randomness. Every other crate may name
//! this one; it names none of ours. A word belongs here only when two crates use it.

mod broker_id;
mod cluster_id;
mod controller_id;
mod directory_id;
mod epoch;
mod error_code;
mod incarnation_id;
pub mod limits;
mod metadata_offset;
mod offset;
mod partition_index;
mod producer;
pub mod record_batch;
mod time;
mod topic_id;
mod topic_name;
mod topic_partition;
mod uuid_text;

pub use broker_id::BrokerId;
pub use cluster_id::ClusterId;
pub use controller_id::ControllerId;
pub use directory_id::DirectoryId;
pub use epoch::{BrokerEpoch, LeaderEpoch, PartitionEpoch};
pub use error_code::KafkaError;
pub use incarnation_id::IncarnationId;
pub use metadata_offset::MetadataOffset;
pub use offset::Offset;
pub use partition_index::PartitionIndex;
pub use producer::{ProducerEpoch, ProducerId};
pub use time::{MonotonicTime, Timestamp};
pub use topic_id::TopicId;
pub use topic_name::{InvalidTopicName, TopicName};
pub use topic_partition::{TopicIdPartition, TopicPartition};
pub use uuid_text::InvalidUuidText;
