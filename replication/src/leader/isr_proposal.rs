//! Proposals: who should join or leave the ISR.

use trimaran_types::{BrokerEpoch, BrokerId, LeaderEpoch, MonotonicTime, PartitionEpoch};

use super::isr_state::IsrState;
use super::{Action, Leader};

/// A replica that the leader wants in the ISR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProposedMember {
    /// The replica's broker.
    pub broker: BrokerId,
    /// The registration that the leader has seen; `None` for a member that has not fetched in this
    /// epoch and is in the ISR by the controllers' own word.
    pub broker_epoch: Option<BrokerEpoch>,
}

/// What a proposal changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IsrChange {
    /// This replica joins: it has caught up.
    Expand(BrokerId),
    /// These leave: they were not caught up for too long.
    Shrink(Vec<BrokerId>),
    /// The ISR stays as it is, under a new partition epoch, so that an attempt to let this replica
    /// in that had no answer comes too late.
    Keep {
        /// Who was to join.
        without: BrokerId,
    },
}

/// An ISR that the leader asks for (KIP-497).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsrProposal {
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The state that the change is based on; it names the proposal, too.
    pub partition_epoch: PartitionEpoch,
    /// The whole new ISR, the leader included.
    pub members: Vec<ProposedMember>,
    /// What differs from the committed one, and so why.
    pub change: IsrChange,
}

impl Leader {
    /// Asks for `replica` to join, when it has what consumers have seen and what older leaders
    /// left, and its broker is active under the epoch that fetched (KIP-497). It must not keep, on its
    /// disk, what was deleted here: a deletion that was answered before would be undone if it led.
    pub(super) fn propose_expansion(
        &mut self,
        now: MonotonicTime,
        replica: BrokerId,
        actions: &mut Vec<Action>,
    ) {
        if !self.may_propose(now) || self.committed.isr.contains(&replica) {
            return;
        }
        let Some(follower) = self.followers.get(&replica) else {
            return;
        };
        let floor = self.high_watermark.max(self.epoch_start);
        let reached = follower.counted(self.settings.durability) >= Some(floor);
        let has_deleted = follower.log_start() >= Some(self.positions.log_start);
        if reached && has_deleted && self.may_join(replica, follower) {
            let mut members = self.committed.isr.clone();
            members.push(replica);
            self.propose(&members, IsrChange::Expand(replica), actions);
        }
    }

    /// Asks for the followers that are not caught up to leave.
    pub(super) fn propose_shrinking(&mut self, now: MonotonicTime, actions: &mut Vec<Action>) {
        if !self.may_propose(now) {
            return;
        }
        let lags = |id: &BrokerId| {
            self.followers.get(id).is_some_and(|follower| {
                !follower.is_caught_up(now, &self.settings, self.positions.log_end)
            })
        };
        let (leaving, staying): (Vec<_>, Vec<_>) =
            self.committed.isr.iter().copied().partition(lags);
        if !leaving.is_empty() {
            self.propose(&staying, IsrChange::Shrink(leaving), actions);
        }
    }

    fn may_propose(&self, now: MonotonicTime) -> bool {
        self.isr_state == IsrState::Committed && now >= self.proposals_resume_at
    }

    pub(super) fn propose(
        &mut self,
        members: &[BrokerId],
        change: IsrChange,
        actions: &mut Vec<Action>,
    ) {
        let epoch_of = |broker: BrokerId| {
            if broker == self.own {
                return self.peers.get(&broker).map(|peer| peer.broker_epoch);
            }
            self.followers
                .get(&broker)
                .and_then(|follower| follower.broker_epoch())
        };
        let members = members
            .iter()
            .map(|broker| ProposedMember {
                broker: *broker,
                broker_epoch: epoch_of(*broker),
            })
            .collect();
        let proposal = IsrProposal {
            leader_epoch: self.committed.leader_epoch,
            partition_epoch: self.committed.partition_epoch,
            members,
            change,
        };
        self.isr_state = IsrState::Pending {
            proposal: proposal.clone(),
            is_unanswered: false,
        };
        actions.push(Action::ProposeIsr(proposal));
    }
}
