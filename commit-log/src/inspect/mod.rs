//! Offline inspection: what is in the files of a partition, and what is wrong with it.
//!
//! Reads only, takes no lock, believes nothing: every batch is verified by checksum, offset and
//! epoch, every index entry against the batch that it points to. What a finding means is what the next
//! start does about it, which is rehearsed on a copy in memory. A directory that a broker is
//! writing may be looked at, but its last batch can then look torn; the zeros behind it are room.

mod checkpoints;
mod doubt;
mod epochs;
mod finding;
mod indexes;
mod notes;
mod partition;
mod places;
mod producers;
mod rehearsal;
mod segment;

pub use checkpoints::{
    CheckpointFile, CleanShutdownFile, flushed_end_of, inspect_checkpoints, inspect_clean_shutdown,
    inspect_flushed_ends,
};
pub use finding::{Finding, Problem, Severity};
pub use notes::DirNotes;
pub use partition::{Checkpointed, PartitionSummary, inspect_partition, lost_partitions};
pub use places::{Places, find_places};

use std::ops::ControlFlow;
use std::path::Path;

use bytes::Bytes;
use trimaran_types::record_batch::{BatchHeader, RecordBatch};
use trimaran_types::{Offset, Timestamp, TopicId};

use crate::aborted::AbortedTransaction;
use crate::epochs::EpochStart;
use crate::producers::SnapshotProducer;

/// One thing that inspection came across, in the order of the files.
#[derive(Debug)]
pub enum Seen<'a> {
    /// The topic that the directory says it belongs to (KIP-516).
    Topic(TopicId),
    /// The leader epochs that the checkpoint has (KIP-101).
    Epochs(&'a [EpochStart]),
    /// A segment begins.
    Segment {
        /// Its log file.
        file: &'a Path,
        /// Its base offset.
        base: Offset,
        /// The file's length.
        bytes: u64,
    },
    /// A batch whose checksum is right.
    Batch {
        /// Where it starts in its file.
        position: u64,
        /// Its header.
        header: &'a BatchHeader,
        /// The whole batch.
        batch: &'a RecordBatch,
    },
    /// An entry of an offset index.
    OffsetEntry {
        /// The last offset of the batch that it points to.
        last: Offset,
        /// Where that batch starts.
        position: u32,
    },
    /// An entry of a time index.
    TimeEntry {
        /// The largest timestamp up to there.
        timestamp: Timestamp,
        /// The last offset of the batch that has it.
        last: Offset,
    },
    /// An aborted transaction whose marker is in the segment.
    Aborted(&'a AbortedTransaction),
    /// A snapshot of the producers begins.
    Snapshot {
        /// The file.
        file: &'a Path,
        /// How many producers it has.
        producers: usize,
    },
    /// A producer in a snapshot.
    Producer(&'a SnapshotProducer),
    /// Something is wrong.
    Finding(&'a Finding),
}

/// Called with each thing seen; may end the inspection.
pub type OnSeen<'a> = dyn FnMut(&Seen<'_>) -> ControlFlow<()> + 'a;

/// The bytes of a batch as a batch; they were verified before.
fn batch_of(bytes: Vec<u8>) -> Option<RecordBatch> {
    RecordBatch::parse(Bytes::from(bytes)).ok()
}
