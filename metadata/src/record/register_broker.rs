//! [`RegisterBroker`].

use serde::{Deserialize, Serialize};
use trimaran_types::{BrokerEpoch, BrokerId, DirectoryId, IncarnationId};

use super::{ChangeOrigin, FenceReason};

/// A broker process registered, or registered again (Kafka's `RegisterBrokerRecord`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterBroker {
    /// The broker.
    pub broker_id: BrokerId,
    /// The run of its process.
    pub incarnation_id: IncarnationId,
    /// The registration: the offset of the first record of this run in the metadata log.
    pub broker_epoch: BrokerEpoch,
    /// Where clients reach it, as `host:port`.
    pub client_address: String,
    /// Where the other nodes reach it, as `host:port`.
    pub inter_node_address: String,
    /// The failure domain it stands in; absent when the operator named none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rack: Option<String>,
    /// Its log directories that are in working order.
    pub directories: Vec<DirectoryId>,
    /// Whether it is out of service: neither leader nor in any ISR.
    pub fenced: bool,
    /// Whether it is handing its leaderships over in order to stop.
    pub in_controlled_shutdown: bool,
    /// Why the registration is in this state.
    pub reason: FenceReason,
    /// When it got there; absent means "with this entry".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<ChangeOrigin>,
}
