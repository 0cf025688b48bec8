//! [`LogContext`]: what the logs of one directory share.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::change_error::ChangeError;
use crate::disk::{Disk, DiskDir, DiskFile, OpenHow};
use crate::journal::{Distrust, Journal, JournalLimits, settle};
use crate::latch::DirLatch;
use crate::log_dir::{
    CLEANER_OFFSETS, CleanerOffsets, LOG_STARTS, RECOVERY_POINTS, RecoveryPoints,
};
use crate::open_files::OpenFiles;
use crate::reserve::Reserve;
use crate::room_budget::{RoomBudget, RoomLimits};
use crate::tail_budget::TailBudget;

/// Default bound on open files of segments that are not being written.
pub const OPEN_FILES_DEFAULT: usize = 512;

/// Default bound on the memory of all hot tails together, in bytes.
pub const TAILS_BYTES_DEFAULT: usize = 256 * 1024 * 1024;

/// What the logs of one directory share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LogContext {
    /// The file system.
    pub disk: Arc<dyn Disk>,
    /// Whether the directory has failed.
    pub latch: Arc<DirLatch>,
    /// The bound on hot tails.
    pub tails: Arc<TailBudget>,
    /// The bound on room that is written ahead.
    pub room: Arc<RoomBudget>,
    /// Blocks for what must be written on a full disk.
    pub reserve: Arc<Reserve>,
    /// The bound on open files.
    pub files: Arc<OpenFiles>,
    /// Up to where each log is known to be synced, as the next start will read it.
    pub recovery_points: Arc<RecoveryPoints>,
    /// Up to where each log has been cleaned.
    pub cleaner_offsets: Arc<CleanerOffsets>,
    /// Where each log starts, as the next start will read it.
    pub log_starts: Arc<RecoveryPoints>,
    /// What makes the small flushes of all logs durable together, where it is wanted.
    pub journal: Option<Arc<Journal>>,
    /// Logs that may lack what a damaged journal had of them.
    pub distrust: Arc<Distrust>,
}

impl LogContext {
    /// Opens a file that is not in the bounded set; see [`OpenFiles::make_way`].
    pub(crate) fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn DiskFile>> {
        self.files.make_way(|| self.disk.open(path, how))
    }

    /// Opens a directory; see [`OpenFiles::make_way`].
    pub(crate) fn open_dir(&self, dir: &Path) -> io::Result<Box<dyn DiskDir>> {
        self.files.make_way(|| self.disk.open_dir(dir))
    }

    /// A context of its own for logs below `logs_dir`, with default bounds and no recovery points.
    /// A [`crate::LogDir`] makes one that knows its checkpoints.
    #[must_use]
    pub fn standalone(disk: Arc<dyn Disk>, logs_dir: &Path) -> Self {
        let reserve = Arc::new(Reserve::new(Arc::clone(&disk), logs_dir));
        let points = |name| RecoveryPoints::empty(Arc::clone(&disk), &reserve, logs_dir, name);
        Self {
            latch: Arc::new(DirLatch::new(logs_dir)),
            tails: Arc::new(TailBudget::new(TAILS_BYTES_DEFAULT)),
            room: Arc::new(RoomBudget::new(RoomLimits::default())),
            files: Arc::new(OpenFiles::new(OPEN_FILES_DEFAULT)),
            recovery_points: Arc::new(points(RECOVERY_POINTS)),
            cleaner_offsets: Arc::new(CleanerOffsets::over(points(CLEANER_OFFSETS))),
            log_starts: Arc::new(points(LOG_STARTS)),
            reserve,
            journal: None,
            distrust: Arc::new(Distrust::none(logs_dir)),
            disk,
        }
    }

    /// The same context with a journal in `logs_dir`, whose bytes from an earlier process are put in
    /// place first. Before any log is opened.
    ///
    /// # Errors
    /// The system refused.
    pub fn with_journal(self, logs_dir: &Path, limits: JournalLimits) -> io::Result<Self> {
        let settled = settle(self.disk.as_ref(), logs_dir, false);
        let (settled, distrust) = settled.map_err(ChangeError::into_io)?;
        let latch = Arc::clone(&self.latch);
        let journal = Journal::open(self.disk.as_ref(), latch, logs_dir, limits, settled);
        let journal = journal.map_err(ChangeError::into_io)?;
        Ok(Self {
            journal: Some(journal),
            distrust: Arc::new(distrust),
            ..self
        })
    }
}
