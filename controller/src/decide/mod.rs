//! What the active controller decides: from a view of the cluster and a request to records.
//!
//! Pure: no clock, no randomness, no soft state; ids, seeds and what only sessions know come in as
//! arguments. A decision changes nothing: its records do, once they are committed and replayed. The
//! caller passes the image plus whatever is proposed and not yet committed, and makes one decision
//! at a time, so that each sees the effects of the one before.
//!
//! Decisions that may touch every partition of a broker are bounded: each takes what fits into one
//! entry and says that it must be made again ([`FollowUp`]). Every intermediate state is safe.

pub mod brokers;
mod budget;
pub mod partitions;
pub mod topics;

use trimaran_metadata::MetadataRecord;
use trimaran_types::KafkaError;

/// What was decided: the records to commit, all or none, and the answer once they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision<R> {
    /// The records, in order; none when nothing has to change.
    pub records: Vec<MetadataRecord>,
    /// The answer to the caller. It must not leave before the records are committed.
    pub response: R,
}

/// Why nothing was decided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The error by Kafka's name.
    pub error: KafkaError,
    /// What is wrong, with the values.
    pub message: String,
}

/// What the caller owes after a bounded decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowUp {
    /// Nothing: all of it was decided.
    Nothing,
    /// The same decision again, at once: the rest did not fit.
    DecideAgain,
    /// [`partitions::elect_leaderless`], at once: some elections did not fit.
    ElectLeaderless,
}

impl Refusal {
    pub(crate) fn new(error: KafkaError, message: impl Into<String>) -> Self {
        Self {
            error,
            message: message.into(),
        }
    }
}

#[cfg(test)]
mod histories_test;
#[cfg(test)]
mod world;
