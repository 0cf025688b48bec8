//! [`Role`]: what the replica does now, with the core that decides for it.

use trimaran_replication::follower::Follower;
use trimaran_replication::leader::{Leader, Suspended};
use trimaran_types::LeaderEpoch;

use super::PartitionRole;

/// The replica's role.
#[derive(Debug)]
pub(super) enum Role {
    /// No leader is known. Appends of this replica's own leadership may wait for it to lead again.
    Idle(Option<Suspended>),
    Leader(Box<Leader>),
    Follower(Box<Follower>),
    /// Out of service until the process ends.
    Failed,
}

impl Role {
    pub(super) const IDLE: Self = Self::Idle(None);

    pub(super) const fn kind(&self) -> PartitionRole {
        match self {
            Self::Idle(_) => PartitionRole::Idle,
            Self::Leader(_) => PartitionRole::Leader,
            Self::Follower(_) => PartitionRole::Follower,
            Self::Failed => PartitionRole::Failed,
        }
    }

    /// The leader epoch that the replica acts in.
    pub(super) fn leader_epoch(&self) -> Option<LeaderEpoch> {
        match self {
            Self::Leader(leader) => Some(leader.leader_epoch()),
            Self::Follower(follower) => Some(follower.leader_epoch()),
            Self::Idle(_) | Self::Failed => None,
        }
    }
}
