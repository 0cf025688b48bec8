//! [`ChangeBuilder`]: from the ISR that is wanted to the record that makes it so.
//!
//! What it upholds, whoever asks:
//! - the ISR holds active brokers only, each with its directory in place, and it holds the leader;
//! - it is empty only when nobody in it is left, and then there is no leader;
//! - below the minimum ISR, whoever leaves becomes an eligible leader replica, unless it may have
//!   lost records: since the high watermark stands still there (strict minimum ISR), such a replica
//!   holds every acknowledged record (KIP-966);
//! - whoever enters the ISR is recorded in a directory that its broker has;
//! - a leader is named, and so the leader epoch moves, only when the leadership changes: an ISR
//!   change alone must not stall producers (KAFKA-15021). The exception is asked for by name.

use trimaran_metadata::record::PartitionChange;
use trimaran_metadata::{
    ChangeReason, LeaderRecovery, MetadataImage, PartitionRef, PartitionState, directory_for,
};
use trimaran_types::{BrokerId, DirectoryId};

use super::election::{Elected, Election, has_its_directory};

/// Builds the change of one partition.
pub(super) struct ChangeBuilder<'a> {
    view: &'a MetadataImage,
    found: PartitionRef<'a>,
    isr: Vec<BrokerId>,
    lost: Option<BrokerId>,
    damaged: Option<BrokerId>,
    begins_epoch: bool,
    wanted: Option<BrokerId>,
    leader_has_recovered: bool,
    reason: ChangeReason,
    reason_broker: Option<BrokerId>,
}

impl<'a> ChangeBuilder<'a> {
    /// A change of `found` that keeps what can be kept of its ISR.
    ///
    /// `view` shows the brokers as they will be once the decision is committed.
    pub(super) fn new(
        view: &'a MetadataImage,
        found: PartitionRef<'a>,
        reason: ChangeReason,
        reason_broker: Option<BrokerId>,
    ) -> Self {
        let isr = found.state.isr.clone();
        let leader_has_recovered = false;
        Self {
            view,
            found,
            isr,
            lost: None,
            damaged: None,
            begins_epoch: false,
            wanted: None,
            leader_has_recovered,
            reason,
            reason_broker,
        }
    }

    /// Wants this ISR instead. New members are recorded in a directory that their broker has.
    pub(super) fn with_isr(mut self, isr: Vec<BrokerId>) -> Self {
        self.isr = isr;
        self
    }

    /// Takes `replica` for one that may have lost records: out of the ISR, and not eligible.
    pub(super) const fn with_lost(mut self, replica: BrokerId) -> Self {
        self.lost = Some(replica);
        self
    }

    /// Takes `replica` for one that is damaged or gone: lost, marked so until it enters the ISR
    /// again, and no leader on any ground.
    pub(super) const fn with_damaged(mut self, replica: BrokerId) -> Self {
        self.lost = Some(replica);
        self.damaged = Some(replica);
        self
    }

    /// Begins a new leader epoch even if the leader stays: what it has learned in this one must not
    /// be believed any more.
    pub(super) const fn with_new_epoch(mut self) -> Self {
        self.begins_epoch = true;
        self
    }

    /// Wants this member of the ISR to lead, if it may, though the present leader could stay.
    pub(super) const fn with_leader(mut self, wanted: BrokerId) -> Self {
        self.wanted = Some(wanted);
        self
    }

    /// Takes the leader for recovered: it said so by asking for an ISR.
    pub(super) const fn with_recovered_leader(mut self) -> Self {
        self.leader_has_recovered = true;
        self
    }

    /// The record; `None` when nothing changes.
    pub(super) fn build(self) -> Option<PartitionChange> {
        let state = self.found.state;
        let mut isr = self.reachable_isr();
        let mut eligible = self.eligible_for(&isr);
        let last_known = self.last_known(&isr);
        let elected = Election {
            brokers: &self.view.brokers,
            state,
            isr: &isr,
            eligible: &eligible,
            last_known,
            damaged: self.damaged,
            wanted: self.wanted,
            unclean_allowed: self
                .view
                .unclean_leader_election_enabled(&self.found.topic.name),
        }
        .run();
        let leader = match elected {
            Elected::FromIsr(leader) => Some(leader),
            Elected::FromEligible(leader) => {
                isr = vec![leader];
                eligible = self.eligible_for(&isr);
                Some(leader)
            }
            Elected::LastKnown(leader) | Elected::Uncleanly(leader) => {
                isr = vec![leader];
                eligible = Vec::new();
                Some(leader)
            }
            Elected::Nobody => None,
        };
        let recovery = self.recovery(elected);
        let last_known = if leader.is_some() { None } else { last_known };
        let topic_id = self.found.topic.topic_id;
        let change = PartitionChange {
            directories: self.directories_for(&isr),
            isr: (isr != state.isr).then_some(isr),
            leader: (leader != state.leader || (self.begins_epoch && leader.is_some()))
                .then_some(leader),
            leader_recovery: (recovery != state.leader_recovery).then_some(recovery),
            eligible_leader_replicas: differs(eligible, &state.eligible_leader_replicas),
            last_known_eligible: differs(
                last_known.into_iter().collect(),
                &state.last_known_eligible,
            ),
            reason: reason_of(elected).unwrap_or(self.reason),
            reason_broker: self.reason_broker,
            ..PartitionChange::new(topic_id, self.found.partition, self.reason)
        };
        changes_anything(&change).then_some(change)
    }

    /// What is wanted of the ISR, less those who cannot be in it.
    fn reachable_isr(&self) -> Vec<BrokerId> {
        let state = self.found.state;
        let brokers = &self.view.brokers;
        let stays = |member: &BrokerId| {
            let enters = !state.isr.contains(member);
            Some(*member) != self.lost
                && brokers.is_active(*member)
                && (enters || has_its_directory(brokers, state, *member))
        };
        self.isr.iter().copied().filter(stays).collect()
    }

    /// The eligible leader replicas that go with `isr`, in the order of the replicas.
    fn eligible_for(&self, isr: &[BrokerId]) -> Vec<BrokerId> {
        let state = self.found.state;
        if isr.len() >= self.view.min_insync_replicas(&self.found.topic.name, state) {
            return Vec::new();
        }
        let was_safe = |replica: &BrokerId| {
            state.isr.contains(replica) || state.eligible_leader_replicas.contains(replica)
        };
        let is_eligible = |replica: &BrokerId| {
            was_safe(replica) && !isr.contains(replica) && Some(*replica) != self.lost
        };
        state.replicas.iter().copied().filter(is_eligible).collect()
    }

    /// The last leader, while the ISR is empty.
    fn last_known(&self, isr: &[BrokerId]) -> Option<BrokerId> {
        let state = self.found.state;
        let remembered = state.last_known_eligible.first().copied();
        if isr.is_empty() {
            state.leader.or(remembered)
        } else {
            None
        }
    }

    fn recovery(&self, elected: Elected) -> LeaderRecovery {
        match elected {
            Elected::LastKnown(_) | Elected::Uncleanly(_) => LeaderRecovery::Recovering,
            _ if self.leader_has_recovered => LeaderRecovery::Recovered,
            _ => self.found.state.leader_recovery,
        }
    }

    /// The directories, when somebody enters the ISR from another than the recorded one.
    fn directories_for(&self, isr: &[BrokerId]) -> Option<Vec<DirectoryId>> {
        let state = self.found.state;
        let directories: Vec<DirectoryId> = state
            .replicas
            .iter()
            .zip(&state.directories)
            .map(|(replica, recorded)| self.directory_of(isr, *replica, *recorded, state))
            .collect();
        (directories != state.directories).then_some(directories)
    }

    fn directory_of(
        &self,
        isr: &[BrokerId],
        replica: BrokerId,
        recorded: DirectoryId,
        state: &PartitionState,
    ) -> DirectoryId {
        if Some(replica) == self.damaged {
            return DirectoryId::LOST;
        }
        let enters = isr.contains(&replica) && !state.isr.contains(&replica);
        match self.view.brokers.get(replica) {
            Some(broker) if enters => {
                directory_for(&broker.directories, self.found.id(), Some(recorded))
                    .unwrap_or(recorded)
            }
            _ => recorded,
        }
    }
}

/// What an election says about itself, over why it was held.
const fn reason_of(elected: Elected) -> Option<ChangeReason> {
    match elected {
        Elected::LastKnown(_) => Some(ChangeReason::ElectedLastKnown),
        Elected::Uncleanly(_) => Some(ChangeReason::ElectedUncleanly),
        Elected::FromIsr(_) | Elected::FromEligible(_) | Elected::Nobody => None,
    }
}

fn differs(new: Vec<BrokerId>, old: &[BrokerId]) -> Option<Vec<BrokerId>> {
    (new != old).then_some(new)
}

const fn changes_anything(change: &PartitionChange) -> bool {
    change.isr.is_some()
        || change.leader.is_some()
        || change.directories.is_some()
        || change.leader_recovery.is_some()
        || change.eligible_leader_replicas.is_some()
        || change.last_known_eligible.is_some()
}

#[cfg(test)]
mod change_builder_test;
