//! [`WriteOutcome`]: what a refused produce request means for its records.

use serde::{Deserialize, Serialize};

/// Whether the records of a refused write may be in the log all the same.
///
/// Stands in each failed entry of a produce answer, and as `outcome` in the details of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WriteOutcome {
    /// Surely not: sending them again makes no duplicate.
    NothingWritten,
    /// Nobody knows: they may have been written, or may still be.
    Unknown,
}
