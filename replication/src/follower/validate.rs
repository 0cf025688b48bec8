//! The invariants at the head of this module.

use super::Follower;
use crate::LogPositions;

/// The invariant that a follower breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFollower {
    /// The log's bounds contradict each other.
    #[error("positions out of order: {0:?}")]
    Positions(LogPositions),
    /// The high watermark is outside the log.
    #[error("high watermark {0} outside the log")]
    HighWatermark(trimaran_types::Offset),
}

impl Follower {
    /// Checks every invariant.
    ///
    /// # Errors
    /// The first one that does not hold.
    pub fn validate(&self) -> Result<(), InvalidFollower> {
        if !self.positions.are_ordered() {
            return Err(InvalidFollower::Positions(self.positions));
        }
        let LogPositions {
            log_start, log_end, ..
        } = self.positions;
        if self.high_watermark < log_start || self.high_watermark > log_end {
            return Err(InvalidFollower::HighWatermark(self.high_watermark));
        }
        Ok(())
    }

    /// Debug builds stop at the first broken invariant, where it can still be explained.
    pub(super) fn check(&self) {
        debug_assert_eq!(self.validate(), Ok(()), "{self:?}");
    }
}
