//! A follower's fetch: many partitions of one leader in one long poll (KIP-595).

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use trimaran_types::{BrokerEpoch, BrokerId, KafkaError, LeaderEpoch, Offset, TopicIdPartition};

/// The name in the `Upgrade` headers of a follower's stream, a `GET` of
/// [`REPLICA_FETCH`](crate::paths::REPLICA_FETCH): requests and answers in turn, each MessagePack
/// behind its length as u32, big-endian.
pub const REPLICA_FETCH_PROTOCOL: &str = "trimaran-fetch-1";

/// One question on that stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplicaFetchRequest {
    /// The follower.
    pub replica_id: BrokerId,
    /// Its registration (KIP-903).
    pub broker_epoch: BrokerEpoch,
    /// How long the leader may wait for data.
    pub wait_ms: u64,
    /// Soft bound of all records in the answer.
    pub bytes_max: usize,
    /// The partitions that it follows at this leader.
    pub partitions: Vec<FetchPartition>,
}

/// Where a follower stands in one partition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FetchPartition {
    /// The partition.
    pub partition: TopicIdPartition,
    /// The leader epoch that the follower knows.
    pub current_leader_epoch: LeaderEpoch,
    /// Its log end: the first offset it lacks.
    pub fetch_offset: Offset,
    /// Everything below is on its disk: what the leader may count for an acknowledgement.
    pub flushed_end: Offset,
    /// The epoch of its last batch; absent on an empty log.
    pub last_fetched_epoch: Option<LeaderEpoch>,
    /// Its first offset.
    pub log_start: Offset,
}

/// Where the follower's history leaves the leader's: it truncates and asks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DivergingEpoch {
    /// The last epoch that both may share.
    pub epoch: LeaderEpoch,
    /// Where that epoch ends at the leader.
    pub end_offset: Offset,
}

/// The answer for one partition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FetchPartitionResult {
    /// The partition.
    pub partition: TopicIdPartition,
    /// Why there is nothing; absent on success.
    #[serde(default)]
    pub error: Option<KafkaError>,
    /// The leader's high watermark.
    pub high_watermark: Offset,
    /// The leader's first offset.
    pub log_start: Offset,
    /// Set when the histories differ; then there are no records.
    #[serde(default)]
    pub diverging: Option<DivergingEpoch>,
    /// Whole record batches, as they lie in the leader's log.
    pub records: Bytes,
}

/// Answer to a fetch: the partitions that have something to say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplicaFetchResponse {
    /// The results.
    pub partitions: Vec<FetchPartitionResult>,
}
