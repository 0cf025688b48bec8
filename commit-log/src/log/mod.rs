//! [`Log`]: one replica of a partition on disk.
//!
//! One owner appends, truncates and asks for flushes; any number of readers read beside it. What
//! is appended can be read at once; it is durable when [`Log::flushed_end`] has passed it.
//! `log_start ≤ flushed_end ≤ log_end`.

mod aborted_files;
mod age;
mod append;
mod checkpoint;
mod cut_files;
mod cut_indexes;
mod delete_segments;
mod files;
mod finish_swap;
mod flush;
mod flush_pace;
mod gaps;
mod journalled;
mod kept;
mod look_back;
mod open;
mod producer_state;
mod recover;
mod replace_segments;
mod replay;
mod restore_producers;
mod retain;
mod roll;
mod room;
mod run;
mod truncate;

use std::path::Path;
use std::sync::Arc;

use trimaran_types::{LeaderEpoch, Offset, Timestamp, TopicPartition};

pub use append::{AppendError, Appended, AppendedBatch};
pub use checkpoint::CloseError;
pub use delete_segments::DeleteError;
pub(crate) use finish_swap::finish_swap as end_swaps;
pub use flush::{FlushRequest, FlushToken};
pub use open::{OpenAs, OpenError};
pub use recover::{RecoveryReport, TailCut};
pub use replace_segments::{ReplaceError, Replaced};
pub(crate) use replay::Replay;
pub use retain::Retained;
pub use run::is_exhausted;
pub use truncate::TruncateError;

use crate::aborted::AbortedSums;
use crate::config::{InvalidLogConfig, LogConfig};
use crate::context::LogContext;
use crate::disk::DiskFile;
use crate::epochs::{EpochCache, EpochStart, StaleEpoch};
use crate::index::Indexer;
use crate::names::SegmentFile;
use crate::open_files::SegmentId;
use crate::producers::{ProducerStates, SnapshotFiles};
use crate::reader::LogReader;
use crate::shared::Shared;
use age::Began;
use flush::FlushState;
use flush_pace::FlushPace;
use journalled::Seat;
use retain::KnownAge;
use room::Room;

/// The segment that is being written, as the owner sees it.
#[derive(Debug)]
struct Active {
    id: SegmentId,
    base: Offset,
    /// Opened at the first append and kept: a sync must go through the descriptor that wrote.
    file: Option<Arc<dyn DiskFile>>,
    /// Bytes of whole batches; the file is longer by `room`.
    bytes: u64,
    room: Room,
    /// When it began; `None` when empty or not known yet.
    began: Option<Began>,
    /// When it was last appended to, by the owner's clock; `None` when this process has not.
    last_append: Option<Timestamp>,
    indexer: Indexer,
    /// Held for the moment at which the segment is finished; else others have them.
    indexes: Vec<(SegmentFile, Arc<dyn DiskFile>)>,
}

/// One replica of a partition on disk. Dropping it is like a crash; [`Log::close`] is clean.
#[derive(Debug)]
pub struct Log {
    shared: Arc<Shared>,
    /// `None` when the directory is not named like a partition.
    topic_partition: Option<TopicPartition>,
    config: LogConfig,
    epochs: EpochCache,
    /// What `leader-epoch-checkpoint` holds; `None` after a write that failed half way.
    epochs_on_disk: Option<Vec<EpochStart>>,
    /// What `txnindex-checksums` holds; `None` when it is damaged, or after a write that failed half way.
    aborted_on_disk: Option<AbortedSums>,
    active: Active,
    log_start: Offset,
    log_end: Offset,
    flush: FlushState,
    pace: FlushPace,
    /// `None` where the directory has no journal.
    seat: Option<Seat>,
    oldest_age: Option<KnownAge>,
    producers: ProducerStates,
    snapshots: SnapshotFiles,
}

impl Log {
    /// The first offset that can be read.
    #[must_use]
    pub const fn log_start(&self) -> Offset {
        self.log_start
    }

    /// The offset that the next record gets.
    #[must_use]
    pub const fn log_end(&self) -> Offset {
        self.log_end
    }

    /// Every record below it is durable.
    #[must_use]
    pub const fn flushed_end(&self) -> Offset {
        self.flush.flushed_end
    }

    /// The latest leader epoch that the log knows, with or without records.
    #[must_use]
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.epochs.latest()
    }

    /// All leader epochs that the log knows.
    #[must_use]
    pub const fn epochs(&self) -> &EpochCache {
        &self.epochs
    }

    /// The largest known epoch not above `epoch`, and where its records end (KIP-101, KIP-279).
    #[must_use]
    pub fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        self.epochs.end_offset_for(epoch, self.log_end)
    }

    /// Notes that `epoch` starts at the log's end: a leader's first deed, before any append.
    ///
    /// Touches no disk. The entry becomes durable at the next checkpoint; before that, recovery
    /// learns it from the batches themselves, because the recovery point never passes an epoch
    /// that is not on disk. An epoch without records needs no memory at all.
    ///
    /// # Errors
    /// The log knows a later epoch, or records already follow the start.
    pub fn assign_epoch(
        &mut self,
        epoch: LeaderEpoch,
        start: Offset,
    ) -> Result<(), AssignEpochError> {
        if self.latest_epoch() != Some(epoch) && start != self.log_end {
            return Err(AssignEpochError::NotAtEnd {
                epoch,
                start,
                log_end: self.log_end,
            });
        }
        Ok(self.epochs.assign(epoch, start)?)
    }

    /// A reader that needs no owner. Cheap to clone and to send.
    #[must_use]
    pub fn reader(&self) -> LogReader {
        LogReader::new(Arc::clone(&self.shared))
    }

    /// The settings in force.
    #[must_use]
    pub const fn config(&self) -> &LogConfig {
        &self.config
    }

    /// Puts other settings in force. Whether offsets may have gaps stays as it is; see
    /// [`Log::allow_gaps`].
    ///
    /// # Errors
    /// A setting out of bounds; the old ones stay.
    pub fn set_config(&mut self, config: LogConfig) -> Result<(), InvalidLogConfig> {
        config.check()?;
        self.config = LogConfig {
            compacted: self.config.compacted,
            ..config
        };
        Ok(())
    }

    /// The log's directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// Raises the log's start, never past its end; lower offsets can no longer be read. Their
    /// files stay until [`Log::delete_segments`]. The caller makes it durable with the log-start
    /// checkpoint, which has taken note of it.
    pub fn raise_log_start(&mut self, to: Offset) {
        let to = to.min(self.log_end);
        if to <= self.log_start {
            return;
        }
        self.log_start = to;
        self.epochs.raise_start(to);
        self.shared.write().log_start = to;
        self.note_log_start();
    }

    /// Puts the log start where the directory's next checkpoint finds it.
    fn note_log_start(&self) {
        if let Some(partition) = &self.topic_partition {
            self.context().log_starts.set(partition, self.log_start);
        }
    }

    fn context(&self) -> &LogContext {
        &self.shared.context
    }
}

/// Why an epoch cannot start where it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssignEpochError {
    /// It is older than what the log knows.
    #[error(transparent)]
    Stale(#[from] StaleEpoch),
    /// A leader's epoch starts at the end of its log.
    #[error("leader epoch {epoch} cannot start at offset {start}, the log ends at {log_end}")]
    NotAtEnd {
        /// The epoch.
        epoch: LeaderEpoch,
        /// Where it was to start.
        start: Offset,
        /// Where the log ends.
        log_end: Offset,
    },
}
