//! [`Assignment`]: what the metadata wants of a replica.

use trimaran_commit_log::LogConfig;
use trimaran_metadata::{MetadataImage, PartitionState};
use trimaran_replication::{CommittedState, Peer, Peers};
use trimaran_types::{BrokerId, TopicName};

use super::TopicSettings;

/// What a replica is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssignedRole {
    /// Lead.
    Leader,
    /// Copy this broker.
    Follower {
        /// The leader.
        leader: BrokerId,
    },
    /// Wait: there is no leader.
    Idle,
}

/// A replica's part in one committed state of its partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// What it is to do.
    pub role: AssignedRole,
    /// The state.
    pub state: CommittedState,
    /// The brokers that host the partition.
    pub peers: Peers,
    /// The topic's settings.
    pub settings: TopicSettings,
}

impl Assignment {
    /// The part of broker `own`, whose logs have these `defaults`, in the state that `image` shows.
    #[must_use]
    pub fn of(
        image: &MetadataImage,
        topic: &TopicName,
        state: &PartitionState,
        own: BrokerId,
        defaults: &LogConfig,
    ) -> Self {
        let role = match state.leader {
            Some(leader) if leader == own => AssignedRole::Leader,
            Some(leader) => AssignedRole::Follower { leader },
            None => AssignedRole::Idle,
        };
        let peer = |id: &BrokerId| {
            let registration = image.brokers.get(*id)?;
            let (broker_epoch, active) = (registration.broker_epoch, registration.is_active());
            Some((
                *id,
                Peer {
                    broker_epoch,
                    active,
                },
            ))
        };
        Self {
            role,
            state: CommittedState {
                replicas: state.replicas.clone(),
                isr: state.isr.clone(),
                leader_epoch: state.leader_epoch,
                partition_epoch: state.partition_epoch,
            },
            peers: state.replicas.iter().filter_map(peer).collect(),
            settings: TopicSettings::of(image, topic, state, defaults),
        }
    }
}
