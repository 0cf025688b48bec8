//! [`ProducerIds`].

use serde::{Deserialize, Serialize};
use trimaran_types::{BrokerEpoch, BrokerId};

/// A block of producer ids was handed to a broker (Kafka's `ProducerIdsRecord`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProducerIds {
    /// The broker that got the block.
    pub broker_id: BrokerId,
    /// Its registration.
    pub broker_epoch: BrokerEpoch,
    /// The first id of the next block.
    pub next_producer_id: u64,
}
