//! The v3 messages (Confluent's REST API v3).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use trimaran_types::{BrokerId, ClusterId, Offset, PartitionIndex, TopicName};

use crate::controller::ConfigEntry;

/// A link to a related resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// The absolute URL.
    pub related: String,
}

/// What a v3 resource says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// Its absolute URL.
    #[serde(rename = "self")]
    pub this: String,
    /// Its name, `crn:///kafka=…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
}

/// What a v3 list says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListMetadata {
    /// Its absolute URL.
    #[serde(rename = "self")]
    pub this: String,
    /// The next page; always null, lists come whole.
    #[serde(default)]
    pub next: Option<String>,
}

/// A cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterData {
    /// `KafkaCluster`.
    pub kind: String,
    /// Links.
    pub metadata: Metadata,
    /// Its id.
    pub cluster_id: ClusterId,
    /// Its access rules.
    pub acls: Link,
    /// Its brokers.
    pub brokers: Link,
    /// Its brokers' settings.
    pub broker_configs: Link,
    /// Its consumer groups.
    pub consumer_groups: Link,
    /// Its topics.
    pub topics: Link,
    /// Moves of replicas under way.
    pub partition_reassignments: Link,
}

/// Answer to `GET /v3/clusters`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterList {
    /// `KafkaClusterList`.
    pub kind: String,
    /// Links.
    pub metadata: ListMetadata,
    /// The one cluster that answers.
    pub data: Vec<ClusterData>,
}

/// Body of `POST /v3/clusters/{cluster}/topics`; an unknown field is refused with 422.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateTopicBody {
    /// The name.
    pub topic_name: String,
    /// Partitions; default 1.
    #[serde(default, deserialize_with = "super::lenient::optional_integer")]
    pub partitions_count: Option<i64>,
    /// Replicas; default 3, limited by the brokers in service.
    #[serde(default, deserialize_with = "super::lenient::optional_integer")]
    pub replication_factor: Option<i64>,
    /// Replicas by partition, instead of the two counts.
    #[serde(default)]
    pub replicas_assignments: Option<BTreeMap<String, Vec<BrokerId>>>,
    /// Settings.
    #[serde(default)]
    pub configs: Vec<ConfigEntry>,
    /// Check only.
    #[serde(default)]
    pub validate_only: bool,
}

/// Body of `POST /v3/clusters/{cluster}/topics/{topic}/partitions/{partition}:truncate`; an unknown
/// field is refused with 422.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TruncateBody {
    /// The first record to keep; -1 stands for the high watermark, so that nothing committed is
    /// kept.
    pub before_offset: i64,
    /// How long the in-sync replicas may take to follow; default: the broker's
    /// `request.timeout.ms`, which is also the most.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
}

/// Answer to the deletion of a partition's oldest records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TruncationData {
    /// `KafkaPartitionTruncation`.
    pub kind: String,
    /// Links.
    pub metadata: Metadata,
    /// The cluster.
    pub cluster_id: ClusterId,
    /// The topic.
    pub topic_name: TopicName,
    /// The partition.
    pub partition_id: PartitionIndex,
    /// The first offset that is left, on every in-sync replica.
    pub log_start_offset: Offset,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopicData {
    /// `KafkaTopic`.
    pub kind: String,
    /// Links.
    pub metadata: Metadata,
    /// Its cluster.
    pub cluster_id: ClusterId,
    /// Its name.
    pub topic_name: TopicName,
    /// Whether it belongs to the cluster itself.
    pub is_internal: bool,
    /// Replicas of each partition.
    pub replication_factor: usize,
    /// How many partitions.
    pub partitions_count: usize,
    /// The partitions.
    pub partitions: Link,
    /// The settings.
    pub configs: Link,
    /// Moves under way.
    pub partition_reassignments: Link,
    /// Always empty: there is no authorization yet.
    #[serde(default)]
    pub authorized_operations: Vec<String>,
}

/// Answer to `GET /v3/clusters/{cluster}/topics`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopicList {
    /// `KafkaTopicList`.
    pub kind: String,
    /// Links.
    pub metadata: ListMetadata,
    /// Every topic, by name.
    pub data: Vec<TopicData>,
}

/// A list of resources of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResourceList<T> {
    /// The kind of the resources, and `List`.
    pub kind: String,
    /// Links.
    pub metadata: ListMetadata,
    /// The resources, whole.
    pub data: Vec<T>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartitionData {
    /// `KafkaPartition`.
    pub kind: String,
    /// Links.
    pub metadata: Metadata,
    /// Its cluster.
    pub cluster_id: ClusterId,
    /// Its topic.
    pub topic_name: TopicName,
    /// Its number.
    pub partition_id: PartitionIndex,
    /// The leader's replica; absent while there is no leader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<Link>,
    /// Its replicas.
    pub replicas: Link,
    /// A move under way.
    pub reassignment: Link,
}

/// A replica of a partition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplicaData {
    /// `KafkaReplica`.
    pub kind: String,
    /// Links.
    pub metadata: Metadata,
    /// Its cluster.
    pub cluster_id: ClusterId,
    /// Its topic.
    pub topic_name: TopicName,
    /// Its partition.
    pub partition_id: PartitionIndex,
    /// Its broker.
    pub broker_id: BrokerId,
    /// Whether it leads.
    pub is_leader: bool,
    /// Whether it is in sync.
    pub is_in_sync: bool,
    /// Its broker.
    pub broker: Link,
}

/// Where a setting's value comes from (Kafka's `ConfigSource`), the nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConfigSource {
    /// Set on the topic.
    DynamicTopicConfig,
    /// Set for the whole cluster.
    DynamicDefaultBrokerConfig,
    /// Built in.
    DefaultConfig,
}

/// One value that a setting has, or would have if a nearer one were not set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConfigSynonym {
    /// The setting's name there.
    pub name: String,
    /// Its value.
    pub value: Option<String>,
    /// Where it is set.
    pub source: ConfigSource,
}

/// What every kind of setting tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SettingData {
    /// Kafka's name of the setting.
    pub name: String,
    /// The value in force; null where there is no bound.
    pub value: Option<String>,
    /// Whether nothing is set.
    pub is_default: bool,
    /// Whether it cannot be changed here.
    pub is_read_only: bool,
    /// Whether its value is a secret.
    pub is_sensitive: bool,
    /// Where the value in force comes from.
    pub source: ConfigSource,
    /// All values, the one in force first.
    pub synonyms: Vec<ConfigSynonym>,
}

impl SettingData {
    /// A setting that is no secret. `synonyms` are all its values, the one in force first; none
    /// means that nothing is set.
    #[must_use]
    pub fn new(
        name: String,
        value: Option<String>,
        is_read_only: bool,
        synonyms: Vec<ConfigSynonym>,
    ) -> Self {
        let source = synonyms
            .first()
            .map_or(ConfigSource::DefaultConfig, |nearest| nearest.source);
        Self {
            name,
            value,
            is_default: source == ConfigSource::DefaultConfig,
            is_read_only,
            is_sensitive: false,
            source,
            synonyms,
        }
    }
}

/// A setting of a topic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopicConfigData {
    /// `KafkaTopicConfig`.
    pub kind: String,
    /// Links.
    pub metadata: Metadata,
    /// Its cluster.
    pub cluster_id: ClusterId,
    /// Its topic.
    pub topic_name: TopicName,
    /// The setting itself.
    #[serde(flatten)]
    pub setting: SettingData,
}

/// A setting that brokers take from the cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BrokerConfigData {
    /// `KafkaBrokerConfig`, or `KafkaClusterConfig` of what is set for every broker.
    pub kind: String,
    /// Links.
    pub metadata: Metadata,
    /// The cluster.
    pub cluster_id: ClusterId,
    /// The broker; absent of what is set for every broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker_id: Option<BrokerId>,
    /// `BROKER`, of what is set for every broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_type: Option<String>,
    /// The setting itself.
    #[serde(flatten)]
    pub setting: SettingData,
}

/// The move of a partition's replicas.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReassignmentData {
    /// `KafkaReassignment`.
    pub kind: String,
    /// Links.
    pub metadata: Metadata,
    /// Its cluster.
    pub cluster_id: ClusterId,
    /// Its topic.
    pub topic_name: TopicName,
    /// Its partition.
    pub partition_id: PartitionIndex,
    /// Replicas that come.
    pub adding_replicas: Vec<BrokerId>,
    /// Replicas that go.
    pub removing_replicas: Vec<BrokerId>,
    /// All replicas.
    pub replicas: Link,
}

/// Body of `PUT /v3/clusters/{cluster}/topics/{topic}/configs/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetConfigBody {
    /// The new value.
    pub value: String,
}

/// Body of `POST /v3/clusters/{cluster}/topics/{topic}/configs:alter`: all of it, or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlterConfigsBody {
    /// The changes.
    pub data: Vec<AlterConfigEntry>,
    /// Check only.
    #[serde(default)]
    pub validate_only: bool,
}

/// One change of a setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlterConfigEntry {
    /// Kafka's name of the setting.
    pub name: String,
    /// The new value; none with `DELETE`.
    #[serde(default)]
    pub value: Option<String>,
    /// Default `SET`.
    #[serde(default)]
    pub operation: ConfigOperation,
}

/// What is done to a setting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConfigOperation {
    /// It gets a value.
    #[default]
    Set,
    /// It goes back to its default.
    Delete,
}

/// A broker in service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BrokerData {
    /// `KafkaBroker`.
    pub kind: String,
    /// Links.
    pub metadata: Metadata,
    /// Its cluster.
    pub cluster_id: ClusterId,
    /// Its id.
    pub broker_id: BrokerId,
    /// Where clients reach it.
    pub host: Option<String>,
    /// The port there.
    pub port: Option<u16>,
    /// Its rack.
    pub rack: Option<String>,
    /// Its settings.
    pub configs: Link,
    /// Its replicas.
    pub partition_replicas: Link,
}

/// Answer to `GET /v3/clusters/{cluster}/brokers`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BrokerList {
    /// `KafkaBrokerList`.
    pub kind: String,
    /// Links.
    pub metadata: ListMetadata,
    /// Every broker in service, by id.
    pub data: Vec<BrokerData>,
}

/// One receipt in the stream that answers a v3 produce request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProducedRecord {
    /// 200.
    pub error_code: u32,
    /// The cluster.
    pub cluster_id: ClusterId,
    /// The topic.
    pub topic_name: TopicName,
    /// The partition.
    pub partition_id: PartitionIndex,
    /// The record's offset; absent with `acks=none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<Offset>,
    /// Its timestamp, ISO 8601.
    pub timestamp: String,
    /// What its key was; absent when it had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<ProducedData>,
    /// What its value was; absent when it had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<ProducedData>,
}

/// The kind and size of a key or value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProducedData {
    /// `BINARY`, `JSON` or `STRING`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Bytes stored.
    pub size: usize,
}
