//! Who may lead a partition, and who does (KIP-631, KIP-966).
//!
//! A replica is **electable** when its broker is active, the directory it was last in sync in is
//! still that broker's (a replaced disk holds nothing), and it is in the ISR or, the ISR being
//! empty, among the eligible leader replicas. Nobody else may lead, save by the two last rungs:
//! the last known leader, when nobody is left who is known to hold every acknowledged record; and
//! anyone at all, where the topic allows unclean election. The dead are never elected
//! (KAFKA-19522), nor are the lost: replicas whose broker said that their log is damaged or gone.

use trimaran_metadata::{BrokersImage, PartitionState};
use trimaran_types::{BrokerId, DirectoryId};

/// What an election looks at.
pub(super) struct Election<'a> {
    /// The brokers, as they will be once the decision is committed.
    pub(super) brokers: &'a BrokersImage,
    /// The partition, as it is.
    pub(super) state: &'a PartitionState,
    /// The ISR, as it will be.
    pub(super) isr: &'a [BrokerId],
    /// The eligible leader replicas, as they will be.
    pub(super) eligible: &'a [BrokerId],
    /// The last leader, as it will be.
    pub(super) last_known: Option<BrokerId>,
    /// A replica that is damaged or gone, as its broker says now.
    pub(super) damaged: Option<BrokerId>,
    /// A member of the ISR that is to lead, before the present leader, if it may.
    pub(super) wanted: Option<BrokerId>,
    /// Whether a replica that may lack acknowledged records may lead.
    pub(super) unclean_allowed: bool,
}

/// Who leads, and on what ground.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Elected {
    /// A member of the ISR.
    FromIsr(BrokerId),
    /// An eligible leader replica; the ISR becomes this one.
    FromEligible(BrokerId),
    /// The last leader; it may have lost what it had not synced.
    LastKnown(BrokerId),
    /// A replica that may lack acknowledged records.
    Uncleanly(BrokerId),
    /// Nobody may lead.
    Nobody,
}

impl Election<'_> {
    /// The leader: the one that is wanted, or the present one, if it may; else the first that may in
    /// the order of the replicas.
    pub(super) fn run(&self) -> Elected {
        let wanted = self.wanted.filter(|wanted| self.isr.contains(wanted));
        let candidates = wanted
            .into_iter()
            .chain(self.state.leader)
            .chain(self.state.replicas.iter().copied());
        for candidate in candidates {
            if !self.is_acceptable(candidate) {
                continue;
            }
            if self.isr.contains(&candidate) {
                return Elected::FromIsr(candidate);
            }
            if self.isr.is_empty() && self.eligible.contains(&candidate) {
                return Elected::FromEligible(candidate);
            }
        }
        if let Some(last) = self.last_known
            && self.isr.is_empty()
            && self.eligible.is_empty()
            && self.state.replicas.contains(&last)
            && self.is_acceptable(last)
        {
            return Elected::LastKnown(last);
        }
        self.unclean()
    }

    /// Prefers a replica whose disk is in place over one that has nothing. One that is lost could
    /// not serve, and to begin it anew would throw away what a person may still save.
    fn unclean(&self) -> Elected {
        if !self.unclean_allowed {
            return Elected::Nobody;
        }
        let replicas = || self.state.replicas.iter().copied();
        replicas()
            .find(|replica| self.is_acceptable(*replica))
            .or_else(|| {
                let may_begin_anew = |replica: &BrokerId| {
                    self.brokers.is_active(*replica) && !self.is_lost(*replica)
                };
                replicas().find(may_begin_anew)
            })
            .map_or(Elected::Nobody, Elected::Uncleanly)
    }

    fn is_acceptable(&self, candidate: BrokerId) -> bool {
        self.brokers.is_active(candidate)
            && !self.is_lost(candidate)
            && has_its_directory(self.brokers, self.state, candidate)
    }

    fn is_lost(&self, replica: BrokerId) -> bool {
        Some(replica) == self.damaged || is_marked_lost(self.state, replica)
    }
}

/// Whether the directory that the replica was last in sync in is in place on its broker.
pub(super) fn has_its_directory(
    brokers: &BrokersImage,
    state: &PartitionState,
    replica: BrokerId,
) -> bool {
    match (brokers.get(replica), state.directory_of(replica)) {
        (Some(registration), Some(directory)) => registration.directories.contains(&directory),
        _ => false,
    }
}

/// Whether the replica's broker said that its log is damaged or gone, and it has not been in sync
/// since.
pub(super) fn is_marked_lost(state: &PartitionState, replica: BrokerId) -> bool {
    state.directory_of(replica) == Some(DirectoryId::LOST)
}

#[cfg(test)]
mod election_test;
