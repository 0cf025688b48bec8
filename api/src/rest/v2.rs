//! The v2 messages (Confluent's REST Proxy API v2), with what the newer gateways add to them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use trimaran_types::{BrokerId, KafkaError, Offset, PartitionIndex, Timestamp, TopicName};

use super::WriteOutcome;

/// Answer to `GET /brokers`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BrokersV2 {
    /// The ids of the brokers in service.
    pub brokers: Vec<BrokerId>,
}

/// Answer to `GET /topics/{topic}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopicV2 {
    /// The name.
    pub name: TopicName,
    /// Effective settings; all values are text.
    pub configs: BTreeMap<String, Option<String>>,
    /// The partitions, by number.
    pub partitions: Vec<PartitionV2>,
}

/// A partition in v2's words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartitionV2 {
    /// Its number.
    pub partition: PartitionIndex,
    /// Its leader; -1 when it has none, as v2 clients expect a number.
    pub leader: i64,
    /// Its replicas, the preferred leader first.
    pub replicas: Vec<ReplicaV2>,
}

/// A replica in v2's words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplicaV2 {
    /// Where it is.
    pub broker: BrokerId,
    /// Whether it leads.
    pub leader: bool,
    /// Whether it is in the ISR.
    pub in_sync: bool,
}

/// Answer to `GET /topics/{topic}/partitions/{partition}/offsets`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OffsetsV2 {
    /// First offset kept.
    pub beginning_offset: Offset,
    /// The high watermark: the first offset that cannot be read yet.
    pub end_offset: Offset,
}

/// Answer to the same with `?timestamp=`: the bounds, and the record that was asked for. Both of its
/// fields are null when there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OffsetsAtTimeV2 {
    /// The bounds.
    #[serde(flatten)]
    pub bounds: OffsetsV2,
    /// The record's offset.
    pub offset: Option<Offset>,
    /// Its timestamp in milliseconds.
    pub timestamp: Option<Timestamp>,
}

/// Answer to a v2 produce request: one entry a record, in the order of the request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProduceResponseV2 {
    /// The entries.
    pub offsets: Vec<ProduceOffset>,
    /// Always null: schemas are not supported.
    pub key_schema_id: Option<i64>,
    /// Always null likewise.
    pub value_schema_id: Option<i64>,
}

/// What became of one record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProduceOffset {
    /// The partition it went to, or was meant for.
    pub partition: Option<PartitionIndex>,
    /// Its offset; null on failure and with `acks=none`.
    pub offset: Option<Offset>,
    /// Null on success; 50002 for good, 50003 worth a retry.
    pub error_code: Option<u32>,
    /// Null on success; the reason otherwise.
    pub error: Option<String>,
    /// Kafka's name of the error; failures only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kafka_error: Option<KafkaError>,
    /// What a failure means for the record: surely not written, or nobody knows. Failures only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<WriteOutcome>,
}

/// A record as a v2 read gives it. Key and value are in the embedded format of the request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FetchedRecord {
    /// Its topic.
    pub topic: TopicName,
    /// Its key; null when it has none.
    pub key: Option<serde_json::Value>,
    /// Its value; null on a tombstone.
    pub value: Option<serde_json::Value>,
    /// Its partition.
    pub partition: PartitionIndex,
    /// Its offset.
    pub offset: Offset,
    /// Its timestamp in milliseconds.
    pub timestamp: Timestamp,
    /// Its headers, where it has any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<RecordHeaderV2>,
}

/// A record's header; the value is base64.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordHeaderV2 {
    /// Its name.
    pub key: String,
    /// Its value in base64, or null.
    pub value: Option<String>,
}
