//! [`UnregisterBroker`].

use serde::{Deserialize, Serialize};
use trimaran_types::{BrokerEpoch, BrokerId};

/// A broker left the cluster for good (Kafka's `UnregisterBrokerRecord`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnregisterBroker {
    /// The broker.
    pub broker_id: BrokerId,
    /// The registration that ends.
    pub broker_epoch: BrokerEpoch,
}
