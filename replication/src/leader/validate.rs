//! The invariants at the head of this module.

use trimaran_types::{BrokerId, Offset, PartitionEpoch};

use super::isr_state::IsrState;
use super::{IsrChange, Leader};
use crate::{Durability, LogPositions};

/// The invariant that a leader breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLeader {
    /// The log's bounds contradict each other.
    #[error("positions out of order: {0:?}")]
    Positions(LogPositions),
    /// The high watermark is outside the log.
    #[error("high watermark {0} outside the log")]
    HighWatermark(Offset),
    /// Acknowledgements are synced and the high watermark is not.
    #[error("high watermark {high_watermark} above the flushed end {flushed_end}")]
    NotSynced {
        /// The high watermark.
        high_watermark: Offset,
        /// The end of what is on disk.
        flushed_end: Offset,
    },
    /// A change is in flight that is not based on the committed state.
    #[error("a change in flight is based on partition epoch {0}")]
    PendingOfAnotherState(PartitionEpoch),
    /// A member of the ISR is proposed to join it.
    #[error("broker {0} joins an isr that it is in")]
    JoinsTwice(BrokerId),
    /// Waiters out of order, or one that should be acknowledged.
    #[error("a waiter ends at {end}, before {end_min}")]
    Waiter {
        /// Where its records end.
        end: Offset,
        /// Where they must end at the earliest.
        end_min: Offset,
    },
}

impl Leader {
    /// Checks every invariant.
    ///
    /// # Errors
    /// The first one that does not hold.
    pub fn validate(&self) -> Result<(), InvalidLeader> {
        let (positions, high_watermark) = (&self.positions, self.high_watermark);
        if !positions.are_ordered() {
            return Err(InvalidLeader::Positions(*positions));
        }
        if high_watermark < positions.log_start || high_watermark > positions.log_end {
            return Err(InvalidLeader::HighWatermark(high_watermark));
        }
        let flushed_end = positions.flushed_end;
        if self.settings.durability == Durability::Synced
            && high_watermark > flushed_end.max(self.synced_above)
        {
            return Err(InvalidLeader::NotSynced {
                high_watermark,
                flushed_end,
            });
        }
        if let IsrState::Pending { proposal, .. } = &self.isr_state {
            if proposal.partition_epoch != self.committed.partition_epoch {
                return Err(InvalidLeader::PendingOfAnotherState(
                    proposal.partition_epoch,
                ));
            }
            if let IsrChange::Expand(id) | IsrChange::Keep { without: id } = proposal.change
                && self.committed.isr.contains(&id)
            {
                return Err(InvalidLeader::JoinsTwice(id));
            }
        }
        let mut end_min = high_watermark.next();
        for waiter in self.waiters.iter() {
            if waiter.end < end_min || waiter.base_offset >= waiter.end {
                return Err(InvalidLeader::Waiter {
                    end: waiter.end,
                    end_min,
                });
            }
            end_min = waiter.end;
        }
        Ok(())
    }

    /// Debug builds stop at the first broken invariant, where it can still be explained.
    pub(super) fn check(&self) {
        debug_assert_eq!(self.validate(), Ok(()), "{self:?}");
    }
}
