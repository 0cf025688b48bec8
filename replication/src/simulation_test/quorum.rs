//! The controllers, as one: registrations, ISR changes, elections (KIP-631), eligible leader replicas
//! under a minimum ISR that changes (KIP-966).

use trimaran_types::{BrokerEpoch, BrokerId, KafkaError, LeaderEpoch, PartitionEpoch};

use crate::leader::{IsrAnswer, IsrProposal};
use crate::{CommittedState, Peer, Peers};

pub(super) struct Quorum {
    pub(super) state: CommittedState,
    pub(super) eligible: Vec<BrokerId>,
    pub(super) min_isr: usize,
    pub(super) leader: Option<BrokerId>,
    pub(super) peers: Peers,
    pub(super) elections: u64,
    next_broker_epoch: u64,
    pub(super) checks_broker_epochs: bool,
    pub(super) elects_any: bool,
    pub(super) begins_epochs_for_the_damaged: bool,
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
            eligible: Vec::new(),
            min_isr: 2,
            leader: Some(BrokerId(1)),
            elections: 0,
            next_broker_epoch: 10,
            checks_broker_epochs: true,
            elects_any: false,
            begins_epochs_for_the_damaged: true,
        }
    }

    /// The broker is dead, or was: out of the ISR.
    pub(super) fn fence(&mut self, id: BrokerId) {
        self.put_out(id, None);
        self.elect();
    }

    fn put_out(&mut self, id: BrokerId, lost: Option<BrokerId>) {
        self.peers.get_mut(&id).unwrap().active = false;
        let mut isr = self.state.isr.clone();
        isr.retain(|member| *member != id);
        self.set_isr(isr, lost);
        if self.leader == Some(id) {
            self.leader = None;
        }
    }

    /// Below the minimum, whoever leaves is eligible, unless it has lost its records.
    fn set_isr(&mut self, isr: Vec<BrokerId>, lost: Option<BrokerId>) {
        let mut eligible = Vec::new();
        if isr.len() < self.min_isr {
            eligible.clone_from(&self.state.replicas);
            eligible.retain(|id| self.is_safe(*id) && !isr.contains(id) && Some(*id) != lost);
        }
        if isr != self.state.isr || eligible != self.eligible {
            self.state.partition_epoch = self.state.partition_epoch.next();
        }
        self.state.isr = isr;
        self.eligible = eligible;
    }

    fn is_safe(&self, id: BrokerId) -> bool {
        self.state.isr.contains(&id) || self.eligible.contains(&id)
    }

    /// Whoever may be elected now or later, without anything being said of lost records.
    pub(super) fn may_lead(&self) -> impl Iterator<Item = BrokerId> {
        self.state.isr.iter().chain(&self.eligible).copied()
    }

    /// Whether somebody else may lead without losing anything.
    pub(super) fn can_spare(&self, id: BrokerId) -> bool {
        self.may_lead().any(|other| other != id)
    }

    /// `min.insync.replicas` is set anew. By itself that is no change of the partition.
    pub(super) fn set_min_isr(&mut self, min_isr: usize) {
        self.min_isr = min_isr;
        self.set_isr(self.state.isr.clone(), None);
    }

    pub(super) fn unfence(&mut self, id: BrokerId) {
        self.peers.get_mut(&id).unwrap().active = true;
        self.elect();
    }

    /// Another member of the ISR leads, while the last leader lives and stays in the ISR.
    pub(super) fn move_leader(&mut self) {
        let others = self.state.isr.iter().filter(|id| Some(**id) != self.leader);
        if let Some(id) = others.copied().rfind(|id| self.is_active(*id)) {
            self.move_leader_to(id);
        }
    }

    /// This one leads, if it may.
    pub(super) fn move_leader_to(&mut self, id: BrokerId) {
        if self.leader != Some(id) && self.state.isr.contains(&id) && self.is_active(id) {
            self.leader = Some(id);
            self.elections += 1;
            self.state.leader_epoch = self.state.leader_epoch.next();
            self.state.partition_epoch = self.state.partition_epoch.next();
        }
    }

    fn is_active(&self, id: BrokerId) -> bool {
        self.peers.get(&id).is_some_and(|peer| peer.active)
    }

    /// The broker's replica is damaged (ADR 0008): out of the ISR and not eligible, and whoever leads
    /// knows nothing of it any more. Tells whether somebody else may lead, so that it may begin anew.
    pub(super) fn give_up(&mut self, id: BrokerId) -> bool {
        if !self.can_spare(id) {
            return false;
        }
        let mut isr = self.state.isr.clone();
        isr.retain(|member| *member != id);
        self.set_isr(isr, Some(id));
        self.state.partition_epoch = self.state.partition_epoch.next();
        if self.leader == Some(id) {
            self.leader = None;
            self.elect();
        } else if self.leader.is_some() && self.begins_epochs_for_the_damaged {
            self.state.leader_epoch = self.state.leader_epoch.next();
        }
        true
    }

    /// A new run of a broker after a crash, with an empty disk perhaps.
    pub(super) fn register(&mut self, id: BrokerId, wiped: bool) -> BrokerEpoch {
        self.put_out(id, wiped.then_some(id));
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
        let active = |id: &&BrokerId| self.is_active(**id);
        let replicas = self.state.replicas.clone();
        let any = replicas.iter().filter(|_| self.elects_any);
        let candidates = self.state.isr.iter().chain(&self.eligible).chain(any);
        if let Some(id) = candidates.into_iter().find(active).copied() {
            if !self.state.isr.contains(&id) {
                self.set_isr(vec![id], None);
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
        let isr: Vec<_> = proposal
            .members
            .iter()
            .map(|member| member.broker)
            .collect();
        if isr == self.state.isr {
            self.state.partition_epoch = self.state.partition_epoch.next();
        }
        self.set_isr(isr, None);
        IsrAnswer::Committed
    }
}
