//! [`ProducerIdsImage`]: how far producer ids are handed out.

use serde::Serialize;
use trimaran_types::{BrokerEpoch, BrokerId};

/// The last block of producer ids that was handed out; nothing before the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ProducerIdsImage {
    /// Who got the last block.
    pub last_block: Option<ProducerIdBlockOwner>,
    /// The first id that no block holds yet.
    pub next_producer_id: u64,
}

/// Who got a block of producer ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ProducerIdBlockOwner {
    /// The broker.
    pub broker_id: BrokerId,
    /// Its registration.
    pub broker_epoch: BrokerEpoch,
}
