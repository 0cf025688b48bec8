//! [`Finding`]: one thing that is wrong, where, and what it means for the next start.

use std::path::PathBuf;

use trimaran_types::{Offset, Timestamp};

use crate::damage::Damage;

/// What a finding means for the broker that opens the directory next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing to do: right under circumstances that the files alone do not tell.
    Note,
    /// Derived from the log; the next start makes it anew.
    Rebuilt,
    /// Bytes that were never synced and are no good batch: a write that a stop cut short. The next
    /// start cuts them off, with what follows.
    TornTail,
    /// Records are damaged or missing: the replica must be fetched again.
    Damage,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Bytes that are no good batch, or a batch where it cannot be.
    #[error("{cause}; the {bytes_left} bytes from here on were not read")]
    Batch {
        /// Why.
        cause: Damage,
        /// Bytes from there to the end of the file.
        bytes_left: u64,
    },
    /// Zeros from the end of the data to that of the file: the log writes them ahead while it is
    /// open, and cuts them off when it is closed, or opened after a crash.
    #[error("room for {bytes} bytes more, written ahead of the data")]
    Room {
        /// How many zeros there are.
        bytes: u64,
    },
    /// Bytes that were made durable in the journal: the next start puts them in place, and they were
    /// read as if they were.
    #[error("{bytes} bytes are in the flush journal, the next start puts them in place")]
    Journalled {
        /// How many.
        bytes: u64,
    },
    /// The journal was damaged: the log may lack synced records, whatever its files say.
    #[error("the flush journal was damaged and may have had synced records of this log")]
    Journal,
    /// The next start calls the log damaged, by what no other finding tells.
    #[error("the next start calls the log damaged: {cause}")]
    Refused {
        /// Why.
        cause: Damage,
    },
    /// A segment does not begin where the one before it ends, as it always should. Below the log
    /// start a deletion may have left it so.
    #[error("offsets {from} to {before} (excluded) are absent between two segments")]
    Hole {
        /// Where the segment before ends.
        from: Offset,
        /// Where this one begins.
        before: Offset,
    },
    /// Offsets are absent in front of a batch: as it should be after compaction, which leaves the
    /// mark `gaps-allowed` beside the segments, and below the log start; loss otherwise.
    #[error("offsets {from} to {before} (excluded) are absent: right only in a compacted topic")]
    Gap {
        /// The first absent offset.
        from: Offset,
        /// The first one that is there again.
        before: Offset,
    },
    /// A good batch does not end where what lies behind it begins. No checksum covers an offset, so
    /// either of the two may be the one that is wrong: whoever reads gets neither.
    #[error(
        "the batch ends before offset {end}, behind it {}: its own offset may be the wrong one",
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
    /// The log ends before its recovery point, or before the end that it has noted as flushed.
    #[error("the log ends at offset {end} but was synced up to {synced_end}")]
    EndsTooEarly {
        /// Where the good batches end.
        end: Offset,
        /// The further one of the two.
        synced_end: Offset,
    },
    /// Entries of aborted transactions that cannot be: readers cannot tell what was committed.
    #[error("not what was written: an entry cannot be, or is not greater than the one before it")]
    AbortedTransactions,
    /// A snapshot of the producers with a wrong checksum, or cut short.
    #[error("no good snapshot of producers")]
    Snapshot,
    /// Nothing of a log is there.
    #[error(
        "no segment is there{}",
        match synced_end {
            Some(end) => format!(", but the log was begun, and synced up to offset {end}"),
            None => " and no partition.metadata: no log, or one that is gone".to_owned(),
        }
    )]
    NoSegments {
        /// Up to where it was synced, as noted; `None` when it is not noted as begun.
        synced_end: Option<Offset>,
    },
    /// A file that is made of equal entries has some bytes over.
    #[error("{bytes} bytes are no whole number of entries")]
    PartialEntry {
        /// The file's length.
        bytes: u64,
    },
    /// An index entry does not grow over the one before it.
    #[error("entry {number} is not greater than the one before it")]
    NotGrowing {
        /// Counted from 0.
        number: u64,
    },
    /// An offset index entry points to no batch that ends with its offset.
    #[error("entry {number} says that a batch at {position} ends with offset {last}; none does")]
    NoSuchBatch {
        /// Counted from 0.
        number: u64,
        /// The entry's position.
        position: u32,
        /// The entry's offset.
        last: Offset,
    },
    /// A time index entry does not give the largest timestamp up to its offset.
    #[error(
        "entry {number} says that {} is the largest timestamp up to offset {last}; {}",
        timestamp.0,
        largest.map_or_else(|| "no batch ends there".to_owned(), |largest| format!("it is {}", largest.0))
    )]
    WrongTimestamp {
        /// Counted from 0.
        number: u64,
        /// The entry's timestamp.
        timestamp: Timestamp,
        /// The entry's offset.
        last: Offset,
        /// The largest one; `None` when no batch ends with that offset.
        largest: Option<Timestamp>,
    },
    /// A small text file that cannot be read.
    #[error("not readable as such a file")]
    Unreadable,
    /// A file that must be there.
    #[error("missing, although there are segments")]
    Missing,
    /// A batch's epoch is not what the checkpoint says. Below the recovery point the checkpoint is
    /// believed; beyond it, it is made anew.
    #[error("epochs of the batches are missing in it, the first one starts at offset {start}")]
    EpochsDiffer {
        /// Where the first epoch starts that the file does not have in this way.
        start: Offset,
    },
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// Where in the file, when it is at one place.
    pub position: Option<u64>,
    /// The offset that it is about, when it is about one.
    pub offset: Option<Offset>,
    /// What it means.
    pub severity: Severity,
    /// What it is.
    pub problem: Problem,
}
