//! The controllers, as one: registrations, ISR changes, elections (KIP-631).

use trimaran_types::{BrokerEpoch, BrokerId, KafkaError, LeaderEpoch, PartitionEpoch};

use crate::leader::{IsrAnswer, IsrProposal};
use crate::{CommittedState, Peer, Peers};

pub(super) struct Quorum {
    pub(super) state: CommittedState,
    pub(super) leader: Option<BrokerId>,
    pub(super) peers: Peers,
    pub(super) elections: u64,
    next_broker_epoch: u64,
    pub(super) checks_broker_epochs: bool,
    pub(super) elects_any: bool,
}

impl Quorum {
    pub(super) fn new() -> Self {
        let replicas: Vec<_> = (1..=3).map(BrokerId).collect();
        let peer = |id: &BrokerId| {
            (
                *id,
                Peer {
                    broker_epoch: BrokerEpoch(u64::from(id.0)),
                    active: true,
                },
            )
        };
        Self {
            peers: replicas.iter().map(peer).collect(),
            state: CommittedState {
                isr: replicas.clone(),
                replicas,
                leader_epoch: LeaderEpoch(0),
                partition_epoch: PartitionEpoch(0),
            },
            leader: Some(BrokerId(1)),
            elections: 0,
            next_broker_epoch: 10,
            checks_broker_epochs: true,
            elects_any: false,
        }
    }

    /// The broker is dead, or was: out of the ISR, unless it is the last one there.
    pub(super) fn fence(&mut self, id: BrokerId) {
        self.peers.get_mut(&id).unwrap().active = false;
        if self.state.isr.contains(&id) {
            if self.state.isr.len() > 1 {
                self.state.isr.retain(|member| *member != id);
            }
            self.state.partition_epoch = self.state.partition_epoch.next();
        }
        if self.leader == Some(id) {
            self.leader = None;
        }
        self.elect();
    }

    pub(super) fn unfence(&mut self, id: BrokerId) {
        self.peers.get_mut(&id).unwrap().active = true;
        self.elect();
    }

    /// Another member of the ISR leads, while the last leader lives and stays in the ISR.
    pub(super) fn move_leader(&mut self) {
        let active = |id: &BrokerId| self.peers.get(id).is_some_and(|peer| peer.active);
        let others = self.state.isr.iter().filter(|id| Some(**id) != self.leader);
        if let Some(id) = others.copied().rfind(active) {
            self.leader = Some(id);
            self.elections += 1;
            self.state.leader_epoch = self.state.leader_epoch.next();
            self.state.partition_epoch = self.state.partition_epoch.next();
        }
    }

    /// A new run of a broker after a crash.
    pub(super) fn register(&mut self, id: BrokerId) -> BrokerEpoch {
        self.fence(id);
        self.next_broker_epoch += 1;
        let broker_epoch = BrokerEpoch(self.next_broker_epoch);
        self.peers.insert(
            id,
            Peer {
                broker_epoch,
                active: true,
            },
        );
        self.elect();
        broker_epoch
    }

    fn elect(&mut self) {
        if self.leader.is_some() {
            return;
        }
        let active = |id: &&BrokerId| self.peers.get(id).is_some_and(|peer| peer.active);
        let isr = if self.elects_any {
            &self.state.replicas
        } else {
            &self.state.isr
        };
        if let Some(id) = isr.iter().find(active).copied() {
            if !self.state.isr.contains(&id) {
                self.state.isr = vec![id];
            }
            self.leader = Some(id);
            self.elections += 1;
            self.state.leader_epoch = self.state.leader_epoch.next();
            self.state.partition_epoch = self.state.partition_epoch.next();
        }
    }

    pub(super) fn alter(&mut self, sender: BrokerId, proposal: &IsrProposal) -> IsrAnswer {
        if proposal.leader_epoch < self.state.leader_epoch {
            return IsrAnswer::Failed(KafkaError::FencedLeaderEpoch);
        }
        if self.leader != Some(sender) {
            return IsrAnswer::Failed(KafkaError::InvalidRequest);
        }
        if proposal.partition_epoch < self.state.partition_epoch {
            return IsrAnswer::Failed(KafkaError::InvalidUpdateVersion);
        }
        for member in &proposal.members {
            let peer = self.peers[&member.broker];
            let same = member
                .broker_epoch
                .is_none_or(|epoch| epoch == peer.broker_epoch);
            if self.checks_broker_epochs && (!peer.active || !same) {
                return IsrAnswer::Failed(KafkaError::IneligibleReplica);
            }
        }
        self.state.isr = proposal
            .members
            .iter()
            .map(|member| member.broker)
            .collect();
        self.state.partition_epoch = self.state.partition_epoch.next();
        IsrAnswer::Committed {
            leader_epoch: self.state.leader_epoch,
            isr: self.state.isr.clone(),
            partition_epoch: self.state.partition_epoch,
        }
    }
}
