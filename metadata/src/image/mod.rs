//! [`MetadataImage`]: what the cluster knows at one position of its log.
//!
//! A value: replay makes a new image and leaves the old one as it was. The maps share structure, so
//! a copy costs a few pointers, and snapshots, the feed, reads and decisions each take their own.
//! One file a part; each part keeps its own maps in agreement and refuses to be taken apart.

mod brokers;
mod configs;
mod features;
mod partition;
mod partition_ref;
mod producer_ids;
mod topic;
mod topics;
mod validate;

use serde::Serialize;
use trimaran_types::{MetadataOffset, TopicIdPartition, TopicName};

pub use brokers::{BrokerRegistration, BrokersImage, RegistrationLastChange};
pub(crate) use configs::ConfigResource;
pub use configs::{ConfigsImage, MIN_INSYNC_REPLICAS_DEFAULT};
pub use features::FeaturesImage;
pub use partition::{InvalidPartition, PartitionLastChange, PartitionState};
pub use partition_ref::PartitionRef;
pub use producer_ids::{ProducerIdBlockOwner, ProducerIdsImage};
pub use topic::TopicImage;
pub use topics::TopicsImage;
pub use validate::InvalidImage;

/// Everything the cluster knows at one position of the metadata log.
///
/// Serializes to a tree that people can read and walk: topics by name, brokers by id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MetadataImage {
    /// How far the log has been replayed.
    pub position: ImagePosition,
    /// The feature levels in force.
    pub features: FeaturesImage,
    /// The registered brokers.
    pub brokers: BrokersImage,
    /// The topics and their partitions.
    pub topics: TopicsImage,
    /// The configuration that is set.
    pub configs: ConfigsImage,
    /// The producer ids that are handed out.
    pub producer_ids: ProducerIdsImage,
}

/// How far an image has come in the replicated log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImagePosition {
    /// The index of the last entry replayed, refused and blank ones included; 0 before the first.
    pub index: u64,
    /// The term of that entry.
    pub term: u64,
    /// The offset that the next accepted record gets.
    pub next_offset: MetadataOffset,
}

impl MetadataImage {
    /// The partition's state, by id.
    #[must_use]
    pub fn partition(&self, partition: TopicIdPartition) -> Option<&PartitionState> {
        self.topics
            .get(partition.topic_id)?
            .partition(partition.partition)
    }

    /// The topic's own value of `key`, else the default that is set for the whole cluster.
    ///
    /// `key` is the topic's name of the setting (`retention.ms`); the cluster's default of it may
    /// have another name (`log.retention.ms`), as in Kafka. `None` means the built-in default.
    #[must_use]
    pub fn effective_config(&self, topic: &TopicName, key: &str) -> Option<&str> {
        self.configs.effective(topic, key)
    }

    /// The default of a topic's setting for the whole cluster: its name there, and its value where it
    /// is set.
    #[must_use]
    pub fn cluster_default<'a>(&'a self, key: &'a str) -> (&'a str, Option<&'a str>) {
        self.configs.cluster_default(key)
    }

    /// How many replicas must be in sync before `acks=all` is answered and the high watermark moves.
    ///
    /// `min.insync.replicas`, default [`MIN_INSYNC_REPLICAS_DEFAULT`], limited by the replicas that
    /// the partition has (KIP-497). Controllers and brokers must use this one rule: eligible
    /// leader replicas are safe only because both count alike (KIP-966).
    #[must_use]
    pub fn min_insync_replicas(&self, topic: &TopicName, partition: &PartitionState) -> usize {
        let configured = self
            .effective_config(topic, "min.insync.replicas")
            .and_then(|value| value.parse::<usize>().ok())
            .filter(|minimum| *minimum >= 1)
            .unwrap_or(MIN_INSYNC_REPLICAS_DEFAULT);
        configured.min(partition.replicas.len())
    }

    /// Whether a replica that may lack acknowledged records may lead when no other can.
    #[must_use]
    pub fn unclean_leader_election_enabled(&self, topic: &TopicName) -> bool {
        self.effective_config(topic, "unclean.leader.election.enable") == Some("true")
    }
}
