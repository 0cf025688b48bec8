//! [`IsrState`]: whether a change of the ISR is in flight.

use trimaran_types::BrokerId;

use super::{IsrChange, IsrProposal, Leader};

/// What the leader has asked of the controllers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IsrState {
    /// Nothing.
    Committed,
    /// Something; until it is overridden, or surely refused, both the old and the new ISR may be
    /// in force.
    Pending {
        /// What.
        proposal: IsrProposal,
        /// An attempt had no answer, so a refusal of another one proves nothing about it.
        is_unanswered: bool,
    },
}

impl Leader {
    /// Whether the replica may be in the ISR, as far as the leader can know.
    pub(super) fn is_in_maximal_isr(&self, id: BrokerId) -> bool {
        if self.committed.isr.contains(&id) {
            return true;
        }
        match &self.isr_state {
            IsrState::Pending { proposal, .. } => match &proposal.change {
                IsrChange::Expand(joining) | IsrChange::Keep { without: joining } => *joining == id,
                IsrChange::Shrink(_) => false,
            },
            IsrState::Committed => false,
        }
    }
}
