//! The partition log: append, read, truncate, recover, compact.
//!
//! Synchronous, knows no runtime, and touches the disk only through [`Disk`]. Files are Kafka's,
//! byte for byte.
//!
//! One owner has a [`Log`] and changes it; [`LogReader`]s read beside it. Nothing is durable until
//! it was flushed: the owner takes a [`FlushRequest`], a [`Flusher`] syncs it together with those
//! of other logs, and the owner tells the log. A [`LogDir`] is the directory of many logs, with
//! the checkpoints that make a restart cheap.
//!
//! Promises kept here: P-ORDER, P-CORRUPT, the durable half of P-ACKED, the cautious half of
//! P-TOMBSTONE.

mod aborted;
mod atomic_file;
mod behind;
mod change_error;
mod checksum_line;
mod cleaner;
mod compression;
mod config;
mod context;
mod copied;
mod damage;
mod disk;
mod epoch_file;
mod epochs;
mod flusher;
mod header_hop;
mod index;
mod inspect;
mod journal;
mod latch;
mod log;
mod log_dir;
mod names;
mod open_files;
mod partition_metadata;
mod produced;
mod producers;
mod reader;
mod reserve;
mod retention;
mod room_budget;
mod segment_scan;
mod shared;
mod tail;
mod tail_budget;
mod timestamp_bounds;
mod zeros;

pub use aborted::AbortedTransaction;
pub use cleaner::{
    CleanControl, CleanError, CleanJob, CleanPlan, CleanReport, CleanedSegment, Cleaner,
    CleanerSettings, CompactionSettings, RecordsError, filthiest,
};
pub use compression::{
    Codec, CompressError, DecompressError, DecompressLimits, PlainRecords, TopicCompression,
    UnknownCompressionType, compress, decompress,
};
pub use config::{InvalidLogConfig, LogConfig};
pub use context::{LogContext, OPEN_FILES_DEFAULT, TAILS_BYTES_DEFAULT};
pub use damage::Damage;
pub use disk::{Disk, DiskDir, DiskEntry, DiskFile, OpenHow, RealDisk};
pub use epochs::{EpochCache, EpochStart, StaleEpoch};
pub use flusher::{
    FLUSH_REQUESTS_MAX_DEFAULT, FLUSH_THREADS_DEFAULT, FlushError, Flusher, OnFlushed,
};
pub use inspect::{
    CheckpointFile, Checkpointed, CleanShutdownFile, DirNotes, Finding, OnSeen, PartitionSummary,
    Places, Problem, Seen, Severity, find_places, flushed_end_of, inspect_checkpoints,
    inspect_clean_shutdown, inspect_flushed_ends, inspect_partition, lost_partitions,
};
pub use journal::{
    Distrust, JOURNAL_BYTES_DEFAULT, JOURNAL_BYTES_MAX, JOURNAL_BYTES_MIN, Journal, JournalEntry,
    JournalFiles, JournalGroup, JournalLimits, JournalSummary, ReadThroughJournal, inspect_journal,
};
pub use latch::{DirFailed, DirLatch};
pub use log::{
    AppendError, Appended, AppendedBatch, AssignEpochError, CloseError, DeleteError, FlushRequest,
    FlushToken, Log, OpenAs, OpenError, RecoveryReport, ReplaceError, Replaced, Retained, TailCut,
    TruncateError, is_exhausted,
};
pub use log_dir::{
    Aside, CleanShutdown, CleanerOffsets, FoundLog, InvalidMetaProperties, LogDir, LogDirError,
    MetaProperties, NotedEnds, RecoveryPoints, parse_partition_dir,
};
pub use open_files::OpenFiles;
pub use produced::{ProducedError, ProducedRules, admit_produced, admit_unopened};
pub use producers::{PRODUCERS_MAX, ProducerEnd, ProducerRefusal, Sequence, SnapshotProducer};
pub use reader::{FinishedSegment, LogReader, ReadError, ScrubPlace, Scrubbed, is_unreadable};
pub use reserve::{RESERVE_BYTES_DEFAULT, Reserve};
pub use retention::DeletedSegments;
pub use room_budget::{RoomBudget, RoomLimits};
pub use tail_budget::TailBudget;
pub use timestamp_bounds::{TimestampBounds, TimestampOutOfBounds};
