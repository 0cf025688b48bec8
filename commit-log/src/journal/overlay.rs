//! [`ReadThroughJournal`]: a directory of logs as the next start will find it, for those who only look.
//!
//! The start's own first step, [`settle`], is done to a copy in memory. So what of the journal counts, is
//! void or does not join, and which logs a damaged one takes with it, is judged as a start judges it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::distrust::Distrust;
use super::limits::JOURNAL_BYTES_MAX;
use super::replay::settle;
use crate::change_error::ChangeError;
use crate::copied::Copied;
use crate::disk::Disk;
use crate::log_dir::is_marked_clean;

/// Pages of segments that are kept in memory, in bytes: entries do not fill the pages at their ends.
const PAGES_BYTES_MAX: u64 = 2 * JOURNAL_BYTES_MAX;

/// What the journal of a directory of logs makes of it.
#[derive(Debug)]
pub struct ReadThroughJournal {
    copied: Arc<Copied>,
    distrust: Distrust,
}

impl ReadThroughJournal {
    /// Looks at the journal in `logs_dir`, if there is one.
    ///
    /// # Errors
    /// The system refused.
    pub fn over(disk: Arc<dyn Disk>, logs_dir: &Path) -> io::Result<Self> {
        let was_clean = is_marked_clean(disk.as_ref(), logs_dir)?;
        let copied = Arc::new(Copied::over(disk, PAGES_BYTES_MAX));
        let settled = settle(copied.as_ref(), logs_dir, was_clean);
        let (_, distrust) = settled.map_err(ChangeError::into_io)?;
        Ok(Self { copied, distrust })
    }

    /// The directory with all in place. What is written to it stays in memory.
    #[must_use]
    pub fn disk(&self) -> Arc<dyn Disk> {
        Arc::<Copied>::clone(&self.copied)
    }

    /// Whether the next start will take the log in `dir` for damaged because of a journal.
    #[must_use]
    pub fn is_damaged(&self, dir: &Path) -> bool {
        self.distrust.has(dir)
    }

    /// Bytes of the log in `dir` that are in the journal and not in its segments.
    #[must_use]
    pub fn bytes_of(&self, dir: &Path) -> u64 {
        self.copied.written_to_segments_of(dir)
    }
}
