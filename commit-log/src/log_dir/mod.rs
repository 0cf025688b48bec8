//! [`LogDir`]: one data directory of a broker: who owns it, which logs are in it, and the small
//! files that the next start reads.
//!
//! ```text
//! data_dir/meta.properties          whose directory it is
//! data_dir/LOCK                     held while the process lives
//! data_dir/logs/<topic>-<n>/        one log each
//! data_dir/logs/<topic>-<n>.<id>-delete, -stray, -damaged   out of use; only the first may be removed
//! data_dir/logs/*-offset-checkpoint, flushed-ends, .kafka_cleanshutdown
//! ```
//!
//! A log that nobody asks for is set aside as stray, never deleted (promise P-TOMBSTONE). Whether
//! a record says that it is deleted is for the caller to know.

mod checkpoint_file;
mod clean_shutdown;
mod cleaner_offsets;
mod flushed_ends;
mod known_logs;
mod meta_properties;
mod partitions;
mod recovery_points;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use trimaran_types::{
    BrokerEpoch, BrokerId, ClusterId, DirectoryId, Offset, TopicId, TopicPartition,
};

pub(crate) use checkpoint_file::parse as parse_checkpoint;
pub use clean_shutdown::CleanShutdown;
pub use cleaner_offsets::CleanerOffsets;
pub(crate) use flushed_ends::FlushedEnd;
pub use meta_properties::{InvalidMetaProperties, MetaProperties};
pub use partitions::{Aside, FoundLog, parse_partition_dir};
pub use recovery_points::RecoveryPoints;

use crate::atomic_file;
use crate::context::{LogContext, OPEN_FILES_DEFAULT, TAILS_BYTES_DEFAULT};
use crate::disk::Disk;
use crate::latch::{DirFailed, DirLatch};
use crate::log::OpenAs;
use crate::open_files::OpenFiles;
use crate::room_budget::{RoomBudget, RoomLimits};
use crate::tail_budget::TailBudget;

const LOCK: &str = "LOCK";
const LOGS: &str = "logs";
const HIGH_WATERMARKS: &str = "replication-offset-checkpoint";
pub(crate) const LOG_STARTS: &str = "log-start-offset-checkpoint";

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogDirError {
    /// Another process, or another part of this one, uses it.
    #[error("data directory {} is in use by another process", data_dir.display())]
    InUse {
        /// The directory.
        data_dir: PathBuf,
    },
    /// It belongs to another cluster.
    #[error("data directory {} belongs to cluster {found}, this node is of cluster {expected}", data_dir.display())]
    OtherCluster {
        /// The directory.
        data_dir: PathBuf,
        /// The cluster that it belongs to.
        found: ClusterId,
        /// This node's cluster.
        expected: ClusterId,
    },
    /// It belongs to another node.
    #[error("data directory {} belongs to node {found}, this is node {expected}", data_dir.display())]
    OtherNode {
        /// The directory.
        data_dir: PathBuf,
        /// The node that it belongs to.
        found: BrokerId,
        /// This node.
        expected: BrokerId,
    },
    /// There are logs, but nothing says whose they are.
    #[error("data directory {} holds logs but no meta.properties", data_dir.display())]
    NobodysLogs {
        /// The directory.
        data_dir: PathBuf,
    },
    /// Its `meta.properties` cannot be read.
    #[error("{} cannot be read: {cause}", path.display())]
    Meta {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: InvalidMetaProperties,
    },
    /// It has failed.
    #[error(transparent)]
    DirFailed(#[from] DirFailed),
    /// The system refused.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> LogDirError {
    let path = path.to_owned();
    move |source| LogDirError::Io { path, source }
}

/// One data directory, locked for this process.
pub struct LogDir {
    data_dir: PathBuf,
    logs_dir: PathBuf,
    meta: MetaProperties,
    context: LogContext,
    clean_shutdown: Option<CleanShutdown>,
    high_watermarks: BTreeMap<TopicPartition, Offset>,
    has_its_notes: bool,
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
        let meta = own(disk.as_ref(), data_dir, &logs_dir, fresh)?;
        // The last process may have ended before the names that it made were durable.
        for dir in [logs_dir.as_path(), data_dir] {
            disk.sync_dir(dir).map_err(at(dir))?;
        }
        let clean_shutdown = clean_shutdown::take(disk.as_ref(), &logs_dir)?;
        let high_watermarks =
            checkpoint_file::read_or_warn(disk.as_ref(), &logs_dir.join(HIGH_WATERMARKS))?;
        let (log_starts, _) = RecoveryPoints::read_named(Arc::clone(&disk), &logs_dir, LOG_STARTS)?;
        let (recovery_points, was_whole) = RecoveryPoints::read(Arc::clone(&disk), &logs_dir)?;
        if is_new {
            // From now on its absence says that notes were lost.
            recovery_points.write_anew().map_err(at(&logs_dir))?;
        }
        let cleaner_offsets = CleanerOffsets::read(Arc::clone(&disk), &logs_dir)?;
        let context = LogContext {
            latch: Arc::new(DirLatch::new(&logs_dir)),
            tails: Arc::new(TailBudget::new(TAILS_BYTES_DEFAULT)),
            room: Arc::new(RoomBudget::new(RoomLimits::default())),
            files: Arc::new(OpenFiles::new(OPEN_FILES_DEFAULT)),
            recovery_points: Arc::new(recovery_points),
            cleaner_offsets: Arc::new(cleaner_offsets),
            log_starts: Arc::new(log_starts),
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

    /// Writes the recovery points that the logs have reached; about once a minute.
    ///
    /// # Errors
    /// The directory has failed, or the system refused.
    pub fn write_recovery_points(&self) -> Result<(), LogDirError> {
        self.context.latch.check()?;
        let points = &self.context.recovery_points;
        points
            .write()
            .map_err(|error| self.refused(&self.logs_dir, error))
    }

    /// Whether [`Self::sync_flushed_ends`] has something to do.
    #[must_use]
    pub fn flushed_ends_are_dirty(&self) -> bool {
        let ends = self.context.recovery_points.flushed_ends();
        ends.is_some_and(|ends| ends.is_dirty())
    }

    /// Makes the ends up to which the logs were synced durable in turn, all with one sync; about
    /// once a second. The longer ago it was, the more of a log is taken for a torn tail if it is
    /// damaged after a power cut.
    ///
    /// # Errors
    /// The directory has failed, perhaps with this sync.
    pub fn sync_flushed_ends(&self) -> Result<(), LogDirError> {
        self.context.latch.check()?;
        let Some(ends) = self.context.recovery_points.flushed_ends() else {
            return Ok(());
        };
        let failed = |error| self.context.latch.fail("sync", ends.path(), &error);
        Ok(ends.sync().map_err(failed)?)
    }

    /// Writes the high watermarks of all logs; every few seconds.
    ///
    /// # Errors
    /// The directory has failed, or the system refused.
    pub fn write_high_watermarks(
        &self,
        offsets: &BTreeMap<TopicPartition, Offset>,
    ) -> Result<(), LogDirError> {
        self.write_checkpoint(HIGH_WATERMARKS, offsets)
    }

    /// Writes the starts that the logs have noted: before the files below them go, before a
    /// deletion of records is answered, and every few seconds.
    ///
    /// # Errors
    /// The directory has failed, or the system refused.
    pub fn write_log_starts(&self) -> Result<(), LogDirError> {
        self.context.latch.check()?;
        let starts = &self.context.log_starts;
        let path = self.logs_dir.join(LOG_STARTS);
        starts.write().map_err(|error| self.refused(&path, error))
    }

    /// Makes the names in a log's directory durable; blocks.
    ///
    /// # Errors
    /// The directory has failed.
    pub fn sync_log(&self, partition: &TopicPartition) -> Result<(), DirFailed> {
        let latch = &self.context.latch;
        latch.check()?;
        let dir = self.partition_dir(partition);
        let synced = self.context.disk.sync_dir(&dir);
        synced.map_err(|error| latch.fail("sync", &dir, &error))
    }

    fn write_checkpoint(
        &self,
        name: &str,
        offsets: &BTreeMap<TopicPartition, Offset>,
    ) -> Result<(), LogDirError> {
        self.context.latch.check()?;
        let path = self.logs_dir.join(name);
        let content = checkpoint_file::format(offsets);
        atomic_file::replace(self.context.disk.as_ref(), &path, content.as_bytes())
            .map_err(|error| self.refused(&path, error))
    }

    /// What to say of a change that the system refused: a full disk ends nothing.
    fn refused(&self, path: &Path, source: io::Error) -> LogDirError {
        match self.context.latch.refused("write", path, &source) {
            Ok(()) => at(path)(source),
            Err(failed) => failed.into(),
        }
    }

    /// Marks the directory as cleanly shut down: the last deed, after every log was closed without
    /// an error. The recovery points are written first.
    ///
    /// # Errors
    /// The directory has failed, or the system refused; then it is not marked.
    pub fn mark_clean_shutdown(
        &self,
        broker_epoch: Option<BrokerEpoch>,
    ) -> Result<(), LogDirError> {
        self.write_recovery_points()?;
        let mark = CleanShutdown { broker_epoch };
        clean_shutdown::write(self.context.disk.as_ref(), &self.logs_dir, mark)
            .map_err(|error| self.refused(&self.logs_dir, error))
    }
}

/// Reads whose directory it is, or makes it this node's if it is nobody's.
fn own(
    disk: &dyn Disk,
    data_dir: &Path,
    logs_dir: &Path,
    fresh: MetaProperties,
) -> Result<MetaProperties, LogDirError> {
    let data_dir_owned = || data_dir.to_owned();
    match MetaProperties::read(disk, data_dir)? {
        Some(found) if found.cluster_id != fresh.cluster_id => Err(LogDirError::OtherCluster {
            data_dir: data_dir_owned(),
            found: found.cluster_id,
            expected: fresh.cluster_id,
        }),
        Some(found) if found.node_id != fresh.node_id => Err(LogDirError::OtherNode {
            data_dir: data_dir_owned(),
            found: found.node_id,
            expected: fresh.node_id,
        }),
        Some(found) => Ok(found),
        None => {
            if disk
                .list(logs_dir)
                .map_err(at(logs_dir))?
                .iter()
                .any(|entry| entry.is_dir)
            {
                return Err(LogDirError::NobodysLogs {
                    data_dir: data_dir_owned(),
                });
            }
            sync_names_above(disk, data_dir)?;
            fresh.write(disk, data_dir)?;
            Ok(fresh)
        }
    }
}

/// Makes the directory's own name durable, and those of the directories above it, which may have
/// been made with it. What may not be read was not made by this process.
fn sync_names_above(disk: &dyn Disk, data_dir: &Path) -> Result<(), LogDirError> {
    for above in data_dir.ancestors().skip(1) {
        let above = if above.as_os_str().is_empty() {
            Path::new(".")
        } else {
            above
        };
        match disk.sync_dir(above) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => break,
            synced => synced.map_err(at(above))?,
        }
    }
    Ok(())
}
