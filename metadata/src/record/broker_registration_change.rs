//! [`BrokerRegistrationChange`].

use serde::{Deserialize, Serialize};
use trimaran_types::{BrokerEpoch, BrokerId, DirectoryId};

use super::FenceReason;

/// A registered broker changed state (Kafka's `BrokerRegistrationChangeRecord`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerRegistrationChange {
    /// The broker.
    pub broker_id: BrokerId,
    /// The registration that changes.
    pub broker_epoch: BrokerEpoch,
    /// True fences, false unfences, absent leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fenced: Option<bool>,
    /// True when it began to shut down. There is no way back but a new registration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_controlled_shutdown: Option<bool>,
    /// The directories that are left in working order; absent leaves them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directories: Option<Vec<DirectoryId>>,
    /// Why.
    pub reason: FenceReason,
}
