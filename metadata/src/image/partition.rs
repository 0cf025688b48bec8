//! [`PartitionState`]: what the cluster has agreed about one partition.
//!
//! Invariants, checked on every replay, in release builds too:
//! - replicas are 1 to [`REPLICATION_FACTOR_MAX`], each once, each with a directory;
//! - ISR, eligible, adding, removing and last known replicas are replicas, each once;
//! - no replica is both in the ISR and eligible; none is both added and removed;
//! - the leader, when there is one, is in the ISR (P-ISR);
//! - epochs are not negative; at most one last leader is known.

use serde::Serialize;
use trimaran_types::limits::REPLICATION_FACTOR_MAX;
use trimaran_types::{BrokerId, DirectoryId, LeaderEpoch, PartitionEpoch};

use crate::record::{ChangeOrigin, ChangeReason, LeaderRecovery};

/// The state of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartitionState {
    /// The brokers that host it; the first is the preferred leader.
    pub replicas: Vec<BrokerId>,
    /// The directory of each replica, in the order of `replicas`: where it was when it last
    /// entered the ISR.
    pub directories: Vec<DirectoryId>,
    /// The replicas in sync.
    pub isr: Vec<BrokerId>,
    /// The leader, if any.
    pub leader: Option<BrokerId>,
    /// Counts the leaderships.
    pub leader_epoch: LeaderEpoch,
    /// Counts the changes.
    pub partition_epoch: PartitionEpoch,
    /// Whether the leader may lack records.
    pub leader_recovery: LeaderRecovery,
    /// Replicas that a running reassignment adds.
    pub adding_replicas: Vec<BrokerId>,
    /// Replicas that a running reassignment removes.
    pub removing_replicas: Vec<BrokerId>,
    /// Replicas out of the ISR that hold every record below the high watermark (KIP-966).
    pub eligible_leader_replicas: Vec<BrokerId>,
    /// The last leader, while there is none; at most one.
    pub last_known_eligible: Vec<BrokerId>,
    /// Why the partition is in this state, and since when.
    pub last_change: PartitionLastChange,
}

/// Why a partition is in its state, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PartitionLastChange {
    /// Why.
    pub reason: ChangeReason,
    /// The broker that the reason is about.
    pub broker: Option<BrokerId>,
    /// When and where in the log.
    #[serde(flatten)]
    pub origin: ChangeOrigin,
}

/// The invariant that a partition's state would break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPartition {
    /// No replica, or too many.
    #[error("{count} replicas, expected 1 to {REPLICATION_FACTOR_MAX}")]
    ReplicaCount {
        /// How many there are.
        count: usize,
    },
    /// A list names a broker twice.
    #[error("broker {broker} is named twice in {list}")]
    Duplicate {
        /// The list.
        list: &'static str,
        /// The broker.
        broker: BrokerId,
    },
    /// A list names a broker that hosts no replica.
    #[error("broker {broker} in {list} is not a replica")]
    NotAReplica {
        /// The list.
        list: &'static str,
        /// The broker.
        broker: BrokerId,
    },
    /// Directories and replicas do not match.
    #[error("{directories} directories for {replicas} replicas")]
    DirectoryCount {
        /// How many directories there are.
        directories: usize,
        /// How many replicas there are.
        replicas: usize,
    },
    /// The leader is out of sync.
    #[error("leader {leader} is not in the ISR")]
    LeaderNotInSync {
        /// The leader.
        leader: BrokerId,
    },
    /// A broker stands in two lists that exclude each other.
    #[error("broker {broker} is in both {one} and {other}")]
    Overlap {
        /// The one list.
        one: &'static str,
        /// The other list.
        other: &'static str,
        /// The broker.
        broker: BrokerId,
    },
    /// More than one last leader.
    #[error("{count} last known leaders, expected at most 1")]
    LastKnownCount {
        /// How many there are.
        count: usize,
    },
    /// An epoch below 0.
    #[error("an epoch is negative: leader epoch {leader_epoch}, partition epoch {partition_epoch}")]
    NegativeEpoch {
        /// The leader epoch.
        leader_epoch: LeaderEpoch,
        /// The partition epoch.
        partition_epoch: PartitionEpoch,
    },
}

impl PartitionState {
    /// The directory that a replica is recorded in.
    #[must_use]
    pub fn directory_of(&self, broker: BrokerId) -> Option<DirectoryId> {
        let place = self
            .replicas
            .iter()
            .position(|replica| *replica == broker)?;
        self.directories.get(place).copied()
    }

    /// Whether a reassignment is running.
    #[must_use]
    pub const fn is_reassigning(&self) -> bool {
        !self.adding_replicas.is_empty() || !self.removing_replicas.is_empty()
    }

    /// Checks the invariants at the head of this file.
    ///
    /// # Errors
    /// The first one that does not hold.
    pub fn validate(&self) -> Result<(), InvalidPartition> {
        let replicas = self.replicas.len();
        if replicas == 0 || replicas > usize::from(REPLICATION_FACTOR_MAX) {
            return Err(InvalidPartition::ReplicaCount { count: replicas });
        }
        if self.directories.len() != replicas {
            let directories = self.directories.len();
            return Err(InvalidPartition::DirectoryCount {
                directories,
                replicas,
            });
        }
        if self.leader_epoch < LeaderEpoch::FIRST || self.partition_epoch < PartitionEpoch::FIRST {
            return Err(InvalidPartition::NegativeEpoch {
                leader_epoch: self.leader_epoch,
                partition_epoch: self.partition_epoch,
            });
        }
        self.members_are_replicas("replicas", &self.replicas)?;
        self.members_are_replicas("the ISR", &self.isr)?;
        self.members_are_replicas("the eligible replicas", &self.eligible_leader_replicas)?;
        self.members_are_replicas("the last known leaders", &self.last_known_eligible)?;
        self.members_are_replicas("the added replicas", &self.adding_replicas)?;
        self.members_are_replicas("the removed replicas", &self.removing_replicas)?;
        self.lists_are_apart()
    }

    fn members_are_replicas(
        &self,
        list: &'static str,
        members: &[BrokerId],
    ) -> Result<(), InvalidPartition> {
        for (place, broker) in members.iter().enumerate() {
            if !self.replicas.contains(broker) {
                return Err(InvalidPartition::NotAReplica {
                    list,
                    broker: *broker,
                });
            }
            if members[..place].contains(broker) {
                return Err(InvalidPartition::Duplicate {
                    list,
                    broker: *broker,
                });
            }
        }
        Ok(())
    }

    fn lists_are_apart(&self) -> Result<(), InvalidPartition> {
        if let Some(leader) = self.leader
            && !self.isr.contains(&leader)
        {
            return Err(InvalidPartition::LeaderNotInSync { leader });
        }
        if self.last_known_eligible.len() > 1 {
            let count = self.last_known_eligible.len();
            return Err(InvalidPartition::LastKnownCount { count });
        }
        let shared = |one: &[BrokerId], other: &[BrokerId]| {
            one.iter().find(|broker| other.contains(broker)).copied()
        };
        if let Some(broker) = shared(&self.isr, &self.eligible_leader_replicas) {
            let (one, other) = ("the ISR", "the eligible replicas");
            return Err(InvalidPartition::Overlap { one, other, broker });
        }
        if let Some(broker) = shared(&self.adding_replicas, &self.removing_replicas) {
            let (one, other) = ("the added replicas", "the removed replicas");
            return Err(InvalidPartition::Overlap { one, other, broker });
        }
        Ok(())
    }
}
