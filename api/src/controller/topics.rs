//! Topics: create, list, describe.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use trimaran_types::{BrokerId, LeaderEpoch, PartitionEpoch, PartitionIndex, TopicId, TopicName};

/// One configuration entry of a topic; `None` asks for the default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigEntry {
    /// Kafka's name of the setting.
    pub name: String,
    /// Its value.
    pub value: Option<String>,
}

/// Body of `POST /v1/topics`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CreateTopicRequest {
    /// The name; checked by the controller.
    pub name: String,
    /// Partitions; default 1. Not together with `assignments`.
    #[serde(default)]
    pub partitions: Option<i64>,
    /// Replicas of each; default 3, at most the number of usable brokers. Not with `assignments`.
    #[serde(default)]
    pub replication_factor: Option<i64>,
    /// Replicas by partition, the preferred leader first; partitions 0.. without a gap.
    #[serde(default)]
    pub assignments: Option<BTreeMap<PartitionIndex, Vec<BrokerId>>>,
    /// Settings that differ from the defaults.
    #[serde(default)]
    pub configs: Vec<ConfigEntry>,
    /// Check only.
    #[serde(default)]
    pub validate_only: bool,
}

/// Answer to a creation that is committed (or valid).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CreateTopicResponse {
    /// The topic as created. On `validate_only` its id is what it would have been.
    #[serde(flatten)]
    pub topic: TopicStatus,
}

/// One partition, with the reason of its last change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartitionStatus {
    /// Its number.
    pub partition: PartitionIndex,
    /// Its leader.
    pub leader: Option<BrokerId>,
    /// The leadership's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The state's epoch.
    pub partition_epoch: PartitionEpoch,
    /// Its replicas, the preferred leader first.
    pub replicas: Vec<BrokerId>,
    /// The in-sync ones.
    pub isr: Vec<BrokerId>,
    /// Replicas that may lead though they left the ISR (KIP-966).
    pub eligible_leader_replicas: Vec<BrokerId>,
    /// What the last change was, and why, for people.
    pub last_change: Option<String>,
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopicStatus {
    /// Its name.
    pub name: TopicName,
    /// Its id.
    pub topic_id: TopicId,
    /// Settings that differ from the defaults.
    pub configs: BTreeMap<String, String>,
    /// Its partitions, by number.
    pub partitions: Vec<PartitionStatus>,
}

/// Answer to `GET /v1/topics`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopicsResponse {
    /// Every topic, by name.
    pub topics: Vec<TopicStatus>,
}

/// Body of `POST /v1/topics/{topic}/configs`: all of it is done, or nothing (KIP-339).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlterTopicConfigsRequest {
    /// New values by setting; null goes back to the default. Others stay.
    pub configs: Vec<ConfigEntry>,
    /// Check only.
    #[serde(default)]
    pub validate_only: bool,
}
