//! The controllers' answer to an ISR change.

use trimaran_types::{KafkaError, MonotonicTime, PartitionEpoch};

use super::isr_state::IsrState;
use super::{Action, IsrChange, Leader};

/// How long no change is proposed after one was refused for good.
const REFUSED_PAUSE_MS: u64 = 100;

/// What became of a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsrAnswer {
    /// It is committed. What that means is the metadata log's to tell, for it alone tells it in
    /// order: a smaller ISR may rest on a minimum that was raised before it, and this leader may
    /// know neither.
    Committed,
    /// An attempt has no answer. It may be carried out at any later moment, as long as the state
    /// that it is based on stands. The proposal goes on being sent.
    Unanswered,
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
        let IsrState::Pending {
            proposal,
            is_unanswered,
        } = &mut self.isr_state
        else {
            return;
        };
        if proposal.partition_epoch != proposed_on {
            return;
        }
        match answer {
            IsrAnswer::Committed => {}
            IsrAnswer::Unanswered => *is_unanswered = true,
            IsrAnswer::Failed(error) => match after(error) {
                AfterFailure::Revert => self.revert(now, actions),
                AfterFailure::AwaitMetadata => {}
                AfterFailure::Resend => actions.push(Action::ProposeIsr(proposal.clone())),
            },
        }
        self.advance_high_watermark(now, actions);
        self.check();
    }

    /// This attempt did not and will not happen. If an earlier one still may, the replica that it
    /// lets in counts until a change that both are based on has made an end of it.
    fn revert(&mut self, now: MonotonicTime, actions: &mut Vec<Action>) {
        let IsrState::Pending {
            proposal,
            is_unanswered,
        } = &self.isr_state
        else {
            return;
        };
        let joining = match proposal.change {
            IsrChange::Expand(id) if *is_unanswered => Some(id),
            IsrChange::Keep { without } => Some(without),
            IsrChange::Expand(_) | IsrChange::Shrink(_) => None,
        };
        if let Some(without) = joining {
            let members = self.committed.isr.clone();
            self.propose(&members, IsrChange::Keep { without }, actions);
        } else {
            self.isr_state = IsrState::Committed;
            self.proposals_resume_at = now.plus_ms(REFUSED_PAUSE_MS);
        }
    }
}

enum AfterFailure {
    Revert,
    AwaitMetadata,
    Resend,
}

/// Kafka's rule (KIP-497). Only a refusal that proves that the attempt did not and will not
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
