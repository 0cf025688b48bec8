//! [`Attempt`]: one try to write one value.

use std::time::Duration;

use trimaran_types::{Offset, PartitionIndex};

use super::ValueId;

/// One value in one request. A value that is sent again is another attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What was sent.
    pub value: ValueId,
    /// Where to.
    pub partition: PartitionIndex,
    /// When the request left, since the run began.
    pub invoked: Duration,
    /// When the answer was there, or given up on.
    pub completed: Duration,
    /// How it ended.
    pub outcome: AttemptOutcome,
}

/// How an attempt ended, as far as the client can know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// Acknowledged with `acks=all`, at this offset.
    Acked(Offset),
    /// Surely not written: no connection, or a refusal that promises so.
    Refused(String),
    /// Written or not, nobody can tell: time-outs, broken connections, vague errors.
    Unknown(String),
}

impl Attempt {
    /// The offset, when it was acknowledged.
    #[must_use]
    pub const fn acked_offset(&self) -> Option<Offset> {
        match self.outcome {
            AttemptOutcome::Acked(offset) => Some(offset),
            AttemptOutcome::Refused(_) | AttemptOutcome::Unknown(_) => None,
        }
    }
}
