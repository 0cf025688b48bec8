//! ISR changes, proposed by leaders (Kafka's AlterPartition, KIP-497).

use serde::{Deserialize, Serialize};
use trimaran_types::{
    BrokerEpoch, BrokerId, KafkaError, LeaderEpoch, PartitionEpoch, TopicIdPartition,
};

/// Body of `POST /v1/partitions/alter`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlterPartitionsRequest {
    /// The leader that asks.
    pub broker_id: BrokerId,
    /// Its registration.
    pub broker_epoch: BrokerEpoch,
    /// The changes; each is decided by itself.
    pub partitions: Vec<PartitionAlteration>,
}

/// A replica that the leader wants in the ISR, under the epoch it last fetched with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsrMember {
    /// The replica's broker.
    pub broker_id: BrokerId,
    /// Its registration; absent where the leader does not know it (its own predecessors did not).
    pub broker_epoch: Option<BrokerEpoch>,
}

/// One partition's new ISR.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartitionAlteration {
    /// The partition.
    pub partition: TopicIdPartition,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The state that the change is based on.
    pub partition_epoch: PartitionEpoch,
    /// The whole new ISR, the leader included.
    pub new_isr: Vec<IsrMember>,
}

/// What became of one change: the new state, or why not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartitionAlterationResult {
    /// The partition.
    pub partition: TopicIdPartition,
    /// Why the change was refused; absent when it is committed.
    #[serde(default)]
    pub error: Option<KafkaError>,
    /// The leader as committed.
    pub leader: Option<BrokerId>,
    /// Its epoch.
    pub leader_epoch: LeaderEpoch,
    /// The ISR as committed.
    pub isr: Vec<BrokerId>,
    /// The state's epoch.
    pub partition_epoch: PartitionEpoch,
}

/// Answer to `POST /v1/partitions/alter`: one result for each change, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlterPartitionsResponse {
    /// The results.
    pub partitions: Vec<PartitionAlterationResult>,
}
