//! [`PartitionChange`].

use serde::{Deserialize, Deserializer, Serialize};
use trimaran_types::{BrokerId, DirectoryId, PartitionIndex, TopicId};

use super::{ChangeReason, LeaderRecovery};

/// A partition's state changed (Kafka's `PartitionChangeRecord`). Absent means unchanged.
///
/// The epochs are not here: replay counts them. Every change moves the partition epoch by one; a
/// change that names a leader, the same one included, moves the leader epoch by one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartitionChange {
    /// The topic.
    pub topic_id: TopicId,
    /// The partition.
    pub partition: PartitionIndex,
    /// The new ISR.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isr: Option<Vec<BrokerId>>,
    /// The leader of a new leader epoch; null for none; absent keeps leader and epoch.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub leader: Option<Option<BrokerId>>,
    /// The new replicas; `directories` must come with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<Vec<BrokerId>>,
    /// The directory of each replica, in the order of the (new) replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directories: Option<Vec<DirectoryId>>,
    /// Replicas that a running reassignment adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adding_replicas: Option<Vec<BrokerId>>,
    /// Replicas that a running reassignment removes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removing_replicas: Option<Vec<BrokerId>>,
    /// Whether the leader may lack records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader_recovery: Option<LeaderRecovery>,
    /// Replicas out of the ISR that hold every record below the high watermark (KIP-966).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eligible_leader_replicas: Option<Vec<BrokerId>>,
    /// The last leader, while there is none; at most one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_known_eligible: Option<Vec<BrokerId>>,
    /// Why.
    pub reason: ChangeReason,
    /// The broker that the reason is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_broker: Option<BrokerId>,
}

impl PartitionChange {
    /// A change of nothing but the reason, to be filled.
    #[must_use]
    pub const fn new(topic_id: TopicId, partition: PartitionIndex, reason: ChangeReason) -> Self {
        Self {
            topic_id,
            partition,
            isr: None,
            leader: None,
            replicas: None,
            directories: None,
            adding_replicas: None,
            removing_replicas: None,
            leader_recovery: None,
            eligible_leader_replicas: None,
            last_known_eligible: None,
            reason,
            reason_broker: None,
        }
    }
}

/// Serde reads null as an absent option; here null means "no leader".
fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<BrokerId>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
