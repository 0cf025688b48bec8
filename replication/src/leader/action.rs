//! [`Action`]: what the owner of a leader must do.

use trimaran_types::{KafkaError, Offset};

use super::IsrProposal;

/// Names one append that waits for its answer; chosen by the owner, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaiterId(pub u64);

/// Whether a refused append may have taken effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Surely not: it may be tried again elsewhere.
    NothingWritten,
    /// The records are in this log and may, or may not, become committed.
    Unknown,
}

/// One effect, to be carried out in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Consumers may read up to here now.
    AdvanceHighWatermark {
        /// The new high watermark.
        to: Offset,
    },
    /// Tell the waiter that its records are as safe as it asked for.
    Acknowledge {
        /// The waiter.
        waiter: WaiterId,
        /// Offset of its first record.
        base_offset: Offset,
    },
    /// Tell the waiter that it gets no acknowledgement.
    Refuse {
        /// The waiter.
        waiter: WaiterId,
        /// Why.
        error: KafkaError,
        /// What became of its records.
        outcome: Outcome,
    },
    /// Ask the controllers for another ISR; the answer comes back as an event.
    ProposeIsr(IsrProposal),
}
