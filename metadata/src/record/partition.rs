//! [`Partition`].

use serde::{Deserialize, Serialize};
use trimaran_types::{BrokerId, DirectoryId, LeaderEpoch, PartitionEpoch, PartitionIndex, TopicId};

use super::{ChangeOrigin, ChangeReason, LeaderRecovery};

/// A partition was created, or stands so in a snapshot (Kafka's `PartitionRecord`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// Its topic.
    pub topic_id: TopicId,
    /// Its number; the partitions of a topic are created in order, without a gap.
    pub partition: PartitionIndex,
    /// The brokers that host it; the first is the preferred leader.
    pub replicas: Vec<BrokerId>,
    /// The directory of each replica, in the order of `replicas`.
    pub directories: Vec<DirectoryId>,
    /// The replicas in sync.
    pub isr: Vec<BrokerId>,
    /// The leader; null when there is none.
    pub leader: Option<BrokerId>,
    /// Counts the leaderships.
    pub leader_epoch: LeaderEpoch,
    /// Counts the changes.
    pub partition_epoch: PartitionEpoch,
    /// Whether the leader may lack records.
    pub leader_recovery: LeaderRecovery,
    /// Replicas that a running reassignment adds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adding_replicas: Vec<BrokerId>,
    /// Replicas that a running reassignment removes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removing_replicas: Vec<BrokerId>,
    /// Replicas out of the ISR that hold every record below the high watermark (KIP-966).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub eligible_leader_replicas: Vec<BrokerId>,
    /// The last leader, while there is none; at most one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last_known_eligible: Vec<BrokerId>,
    /// Why the partition is in this state.
    pub reason: ChangeReason,
    /// The broker that the reason is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_broker: Option<BrokerId>,
    /// When it got there; absent means "with this entry".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<ChangeOrigin>,
}
