//! [`Damage`]: what can be wrong with the bytes of a log.

use trimaran_types::record_batch::BatchError;
use trimaran_types::{LeaderEpoch, Offset};

use crate::compression::DecompressError;

/// Why bytes in a log are not what was written there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// No good batch: cut short, impossible fields, or a wrong checksum.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A good batch whose records cannot be decompressed.
    #[error(transparent)]
    Records(#[from] DecompressError),
    /// A good batch at a place where its offset cannot be.
    #[error("batch has base offset {found} where {expected} comes next")]
    OffsetOutOfOrder {
        /// The offset that comes next.
        expected: Offset,
        /// The batch's base offset.
        found: Offset,
    },
    /// A good batch that does not end where what lies behind it begins: one of the two offsets is
    /// wrong, and neither lies under a checksum.
    #[error(
        "batch ends before offset {end}, behind it {}",
        match found {
            Some(found) => format!("comes offset {found}"),
            None => "the file ends too early".to_owned(),
        }
    )]
    NotJoined {
        /// The first offset behind the batch.
        end: Offset,
        /// The offset that comes next; `None` where no whole one is.
        found: Option<Offset>,
    },
    /// A batch whose leader epoch is missing or older than the one before it.
    #[error("batch has leader epoch {found:?} after epoch {latest:?}")]
    EpochOutOfOrder {
        /// The epoch before it.
        latest: Option<LeaderEpoch>,
        /// The batch's epoch.
        found: Option<LeaderEpoch>,
    },
    /// A batch has another leader epoch than the log had at its offset (KIP-101).
    #[error("batch has leader epoch {found:?} where the log is in epoch {expected}")]
    EpochOutOfPlace {
        /// The epoch that the log knows.
        expected: LeaderEpoch,
        /// The batch's epoch.
        found: Option<LeaderEpoch>,
    },
    /// The log ends before a place up to which it was synced.
    #[error("log ends at offset {end} but was synced up to {synced_end}")]
    EndsTooEarly {
        /// Where it ends.
        end: Offset,
        /// The end of what was synced.
        synced_end: Offset,
    },
    /// Entries of a `.txnindex` file that cannot be.
    #[error("entries of aborted transactions are not what was written")]
    AbortedTransactions,
    /// A journal that may have had bytes of the log was damaged (ADR 0021).
    #[error("the flush journal was damaged and may have had synced records of this log")]
    Journal,
    /// A segment does not start where the one before it ends.
    #[error("segment starts at offset {found} where {expected} comes next")]
    SegmentOutOfPlace {
        /// Where the segment before it ends.
        expected: Offset,
        /// Where it starts.
        found: Offset,
    },
}
