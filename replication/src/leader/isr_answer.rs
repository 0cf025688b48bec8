//! The controllers' answer to an ISR change.

use trimaran_types::{BrokerId, KafkaError, LeaderEpoch, MonotonicTime, PartitionEpoch};

use super::isr_state::IsrState;
use super::{Action, Leader};

/// How long no change is proposed after one was refused for good.
const REFUSED_PAUSE_MS: u64 = 100;

/// What became of a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IsrAnswer {
    /// This state is committed now.
    Committed {
        /// The leader epoch as committed.
        leader_epoch: LeaderEpoch,
        /// The ISR as committed.
        isr: Vec<BrokerId>,
        /// The state's epoch.
        partition_epoch: PartitionEpoch,
    },
    /// It was refused, or its fate is not known.
    Failed(KafkaError),
}

impl Leader {
    /// The proposal that was based on `proposed_on` is answered. An answer to another one is
    /// ignored, and so is one that is older than what the metadata log has brought meanwhile.
    pub fn isr_answered(
        &mut self,
        now: MonotonicTime,
        proposed_on: PartitionEpoch,
        answer: IsrAnswer,
        actions: &mut Vec<Action>,
    ) {
        let IsrState::Pending(proposal) = &self.isr_state else {
            return;
        };
        if proposal.partition_epoch != proposed_on {
            return;
        }
        match answer {
            IsrAnswer::Committed {
                leader_epoch,
                isr,
                partition_epoch,
            } => {
                // Of another leader epoch, the metadata log tells, and this leader ends.
                if leader_epoch == self.committed.leader_epoch
                    && partition_epoch >= self.committed.partition_epoch
                {
                    self.begin_lag_of_new_members(now, &isr);
                    self.committed.isr = isr;
                    self.committed.partition_epoch = partition_epoch;
                    self.isr_state = IsrState::Committed;
                }
            }
            IsrAnswer::Failed(error) => match after(error) {
                AfterFailure::Revert => {
                    self.isr_state = IsrState::Committed;
                    self.proposals_resume_at = now.plus_ms(REFUSED_PAUSE_MS);
                }
                AfterFailure::AwaitMetadata => {}
                AfterFailure::Resend => actions.push(Action::ProposeIsr(proposal.clone())),
            },
        }
        self.advance_high_watermark(now, actions);
        self.check();
    }
}

enum AfterFailure {
    Revert,
    AwaitMetadata,
    Resend,
}

/// Kafka's rule (KIP-497). Only a refusal that proves that the change did not and will not
/// happen frees the leader from counting it.
const fn after(error: KafkaError) -> AfterFailure {
    use KafkaError as E;
    match error {
        E::IneligibleReplica => AfterFailure::Revert,
        E::FencedLeaderEpoch
        | E::InvalidUpdateVersion
        | E::InvalidRequest
        | E::UnknownTopicId
        | E::UnknownTopicOrPartition
        | E::NewLeaderElected => AfterFailure::AwaitMetadata,
        _ => AfterFailure::Resend,
    }
}
