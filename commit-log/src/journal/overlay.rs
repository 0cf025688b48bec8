//! [`ReadThroughJournal`]: a directory of logs as the next start will find it, for those who only look.
//!
//! The start's own first step, [`settle`], is done to a copy in memory. So what of the journal counts, is
//! void or does not join, and which logs a damaged one takes with it, is judged as a start judges it.
//! Beside a broker that runs, a half may be begun anew between two looks: what makes a log doubtful is
//! looked at again.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::distrust::Distrust;
use super::limits::JOURNAL_BYTES_MAX;
use super::replay::settle;
use super::scan::Scanned;
use crate::change_error::ChangeError;
use crate::copied::Copied;
use crate::disk::Disk;
use crate::log_dir::is_marked_clean;

/// Pages of segments that are kept in memory, in bytes: entries do not fill the pages at their ends.
const PAGES_BYTES_MAX: u64 = 2 * JOURNAL_BYTES_MAX;

/// How often a journal that makes logs doubtful is looked at before it counts as such whatever happens to it.
const LOOKS_MAX: usize = 10;

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
        let (mut before, mut looks) = (None, 0);
        loop {
            let copied = Arc::new(Copied::over(Arc::clone(&disk), PAGES_BYTES_MAX));
            let settled = settle(copied.as_ref(), logs_dir, was_clean);
            let (_, distrust) = settled.map_err(ChangeError::into_io)?;
            let newest = Scanned::read(disk.as_ref(), logs_dir)?.newest();
            looks += 1;
            if distrust.is_empty() || before == Some(newest) || looks == LOOKS_MAX {
                copied.forget_unchanged();
                return Ok(Self { copied, distrust });
            }
            // Nobody wrote in between when two looks running find the same newest group.
            before = Some(newest);
        }
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
