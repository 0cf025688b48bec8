//! [`Peers`]: what the leader knows of the brokers that host its partition.

use std::collections::BTreeMap;

use trimaran_types::{BrokerEpoch, BrokerId};

/// One registered broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its registration. A fetch of another one is not proof that this one is in sync (KIP-903).
    pub broker_epoch: BrokerEpoch,
    /// Neither fenced nor shutting down: it may enter the ISR (KIP-841).
    pub active: bool,
}

/// The registered brokers among a partition's replicas.
pub type Peers = BTreeMap<BrokerId, Peer>;
