//! [`CommittedState`]: the part of a partition's metadata that a replica acts on.

use trimaran_types::{BrokerId, LeaderEpoch, PartitionEpoch};

/// A partition's state as the controllers have committed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedState {
    /// The brokers that host it.
    pub replicas: Vec<BrokerId>,
    /// The replicas in sync; a subset of `replicas`.
    pub isr: Vec<BrokerId>,
    /// Counts the leaderships.
    pub leader_epoch: LeaderEpoch,
    /// Counts the changes; an older state never replaces a newer one (KIP-497).
    pub partition_epoch: PartitionEpoch,
}
