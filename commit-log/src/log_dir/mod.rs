//! [`LogDir`]: one data directory of a broker: who owns it, which logs are in it, and the small
//! files that the next start reads.
//!
//! ```text
//! data_dir/meta.properties          whose directory it is
//! data_dir/LOCK                     held while the process lives
//! data_dir/logs/<topic>-<n>/        one log each
//! data_dir/logs/<topic>-<n>.<id>-delete, -stray, -damaged, -distrusted   out of use; only the first
//!                                   may be removed
//! data_dir/logs/*-offset-checkpoint, flushed-ends, reserved-space, flush-journal.*, .kafka_cleanshutdown
//! ```
//!
//! A log that nobody asks for is set aside as stray, never deleted (promise P-TOMBSTONE). Whether
//! a record says that it is deleted is for the caller to know.

mod checkpoint_file;
mod checkpoints;
mod clean_shutdown;
mod cleaner_offsets;
mod error;
mod flushed_ends;
mod known_logs;
mod meta_properties;
mod ownership;
mod partitions;
mod recovery_points;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use trimaran_types::{BrokerId, ClusterId, DirectoryId, Offset, TopicId, TopicPartition};

pub(crate) use checkpoint_file::parse as parse_checkpoint;
pub use clean_shutdown::CleanShutdown;
pub(crate) use clean_shutdown::is_there as is_marked_clean;
pub(crate) use clean_shutdown::{CLEAN_SHUTDOWN, parse as parse_clean_shutdown};
pub(crate) use cleaner_offsets::CLEANER_OFFSETS;
pub use cleaner_offsets::CleanerOffsets;
pub use error::LogDirError;
use error::at;
pub(crate) use flushed_ends::FlushedEnd;
pub use flushed_ends::NotedEnds;
pub use meta_properties::{InvalidMetaProperties, MetaProperties};
pub use partitions::{Aside, FoundLog, parse_partition_dir};
pub(crate) use recovery_points::RECOVERY_POINTS;
pub use recovery_points::RecoveryPoints;

use crate::context::{LogContext, OPEN_FILES_DEFAULT, TAILS_BYTES_DEFAULT};
use crate::disk::Disk;
use crate::journal::{Journal, JournalLimits, Settled, settle};
use crate::latch::DirLatch;
use crate::log::OpenAs;
use crate::open_files::OpenFiles;
use crate::reserve::Reserve;
use crate::room_budget::{RoomBudget, RoomLimits};
use crate::tail_budget::TailBudget;

const LOCK: &str = "LOCK";
const LOGS: &str = "logs";
/// Reserved space that is given up at once, in bytes, where a start has no room for what the journal has.
const SETTLED_BYTES: usize = 256 * 1024;
const HIGH_WATERMARKS: &str = "replication-offset-checkpoint";
pub(crate) const LOG_STARTS: &str = "log-start-offset-checkpoint";

/// One data directory, locked for this process.
pub struct LogDir {
    data_dir: PathBuf,
    logs_dir: PathBuf,
    meta: MetaProperties,
    context: LogContext,
    clean_shutdown: Option<CleanShutdown>,
    high_watermarks: BTreeMap<TopicPartition, Offset>,
    has_its_notes: bool,
    /// Where a journal goes on.
    settled: Settled,
    _lock: Box<dyn Send + Sync>,
}

impl std::fmt::Debug for LogDir {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogDir")
            .field("data_dir", &self.data_dir)
            .finish_non_exhaustive()
    }
}

impl LogDir {
    /// Takes `data_dir` for this node. An empty one becomes its own, under `new_directory_id`. The
    /// mark of a clean shutdown is read and durably removed, so that a stop from here on is
    /// unclean.
    ///
    /// # Errors
    /// See [`LogDirError`].
    pub fn open(
        disk: Arc<dyn Disk>,
        data_dir: &Path,
        cluster_id: ClusterId,
        node_id: BrokerId,
        new_directory_id: DirectoryId,
    ) -> Result<Self, LogDirError> {
        let logs_dir = data_dir.join(LOGS);
        disk.create_dir(&logs_dir).map_err(at(&logs_dir))?;
        let lock_path = data_dir.join(LOCK);
        let lock = disk.lock(&lock_path).map_err(at(&lock_path))?;
        let lock = lock.ok_or_else(|| LogDirError::InUse {
            data_dir: data_dir.to_owned(),
        })?;
        let fresh = MetaProperties {
            cluster_id,
            node_id,
            directory_id: new_directory_id,
        };
        let is_new = MetaProperties::read(disk.as_ref(), data_dir)?.is_none();
        let meta = ownership::own(disk.as_ref(), data_dir, &logs_dir, fresh)?;
        // The last process may have ended before the names that it made were durable.
        for dir in [logs_dir.as_path(), data_dir] {
            disk.sync_dir(dir).map_err(at(dir))?;
        }
        let reserve = Arc::new(Reserve::new(Arc::clone(&disk), &logs_dir));
        // Before the mark goes: after a stop in between it must still say that the journal is void.
        let is_marked =
            clean_shutdown::is_there(disk.as_ref(), &logs_dir).map_err(at(&logs_dir))?;
        // A power cut may have taken the blocks of what is put in place, and others have filled the disk.
        let settled = reserve.with_room(SETTLED_BYTES, || {
            settle(disk.as_ref(), &logs_dir, is_marked)
        });
        let (settled, distrust) = settled.map_err(|error| at(&logs_dir)(error.into_io()))?;
        let clean_shutdown = clean_shutdown::take(disk.as_ref(), &logs_dir)?;
        let high_watermarks =
            checkpoint_file::read_or_warn(disk.as_ref(), &logs_dir.join(HIGH_WATERMARKS))?;
        let read = |name| {
            let read = RecoveryPoints::read_named(Arc::clone(&disk), &reserve, &logs_dir, name)?;
            Ok::<_, LogDirError>(read.0)
        };
        let log_starts = read(LOG_STARTS)?;
        let cleaner_offsets = CleanerOffsets::over(read(CLEANER_OFFSETS)?);
        let (recovery_points, was_whole) =
            RecoveryPoints::read(Arc::clone(&disk), &reserve, &logs_dir)?;
        if is_new {
            // From now on its absence says that notes were lost.
            let written = recovery_points.write_anew();
            written.map_err(|error| at(&logs_dir)(error.into_io()))?;
        }
        let context = LogContext {
            latch: Arc::new(DirLatch::new(&logs_dir)),
            tails: Arc::new(TailBudget::new(TAILS_BYTES_DEFAULT)),
            room: Arc::new(RoomBudget::new(RoomLimits::default())),
            files: Arc::new(OpenFiles::new(OPEN_FILES_DEFAULT)),
            recovery_points: Arc::new(recovery_points),
            cleaner_offsets: Arc::new(cleaner_offsets),
            log_starts: Arc::new(log_starts),
            reserve,
            journal: None,
            distrust: Arc::new(distrust),
            disk,
        };
        Ok(Self {
            data_dir: data_dir.to_owned(),
            logs_dir,
            meta,
            context,
            clean_shutdown,
            high_watermarks,
            has_its_notes: is_new || was_whole,
            settled,
            _lock: lock,
        })
    }

    /// Counts this directory's open files and hot tails against the bounds of another one, so that
    /// both together stay within them. Before any log is opened.
    pub fn share_bounds_of(&mut self, other: &LogContext) {
        self.context.tails = Arc::clone(&other.tails);
        self.context.files = Arc::clone(&other.files);
    }

    /// Puts other limits on the room that the directory's logs write ahead. Before any log is opened.
    pub fn limit_room(&mut self, limits: RoomLimits) {
        self.context.room = Arc::new(RoomBudget::new(limits));
    }

    /// Has the small flushes of the directory's logs go through a journal. Once, before any log is
    /// opened.
    ///
    /// # Errors
    /// The system refused.
    pub fn use_journal(&mut self, limits: JournalLimits) -> Result<(), LogDirError> {
        let LogContext {
            disk,
            latch,
            reserve,
            ..
        } = &self.context;
        let journal = reserve.with_room(0, || {
            let latch = Arc::clone(latch);
            Journal::open(disk.as_ref(), latch, &self.logs_dir, limits, self.settled)
        });
        let journal = journal.map_err(|error| at(&self.logs_dir)(error.into_io()))?;
        self.context.journal = Some(journal);
        Ok(())
    }

    /// Where the directory is.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// What [`crate::Log::open`] needs.
    #[must_use]
    pub const fn context(&self) -> &LogContext {
        &self.context
    }

    /// The directory's identity (KIP-858).
    #[must_use]
    pub const fn directory_id(&self) -> DirectoryId {
        self.meta.directory_id
    }

    /// Where the logs are.
    #[must_use]
    pub fn logs_dir(&self) -> &Path {
        &self.logs_dir
    }

    /// The mark that the last process left if it stopped cleanly.
    #[must_use]
    pub const fn clean_shutdown(&self) -> Option<CleanShutdown> {
        self.clean_shutdown
    }

    /// The directory of a partition's log.
    #[must_use]
    pub fn partition_dir(&self, partition: &TopicPartition) -> PathBuf {
        self.logs_dir.join(partition.to_string())
    }

    /// What the checkpoints say about a log that is about to be opened.
    #[must_use]
    pub fn open_as(&self, partition: &TopicPartition, topic_id: TopicId) -> OpenAs {
        OpenAs {
            topic_id,
            recovery_point: self
                .context
                .recovery_points
                .get(partition)
                .unwrap_or(Offset::ZERO),
            log_start: self.context.log_starts.get(partition),
            clean_shutdown: self.clean_shutdown.is_some(),
        }
    }

    /// The high watermark that the last checkpoint had.
    #[must_use]
    pub fn high_watermark(&self, partition: &TopicPartition) -> Option<Offset> {
        self.high_watermarks.get(partition).copied()
    }
}
