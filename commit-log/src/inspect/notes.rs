//! [`DirNotes`]: what a directory of logs says about all of them, which the next start goes by.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::{
    CheckpointFile, Checkpointed, CleanShutdownFile, flushed_end_of, inspect_checkpoints,
    inspect_clean_shutdown, inspect_flushed_ends,
};
use crate::disk::Disk;
use crate::journal::ReadThroughJournal;
use crate::log_dir::{NotedEnds, parse_partition_dir};

/// What a directory of logs says about all of them.
#[derive(Debug)]
pub struct DirNotes {
    /// Its checkpoints, by name.
    pub checkpoints: Vec<CheckpointFile>,
    /// The flushed ends that logs have noted.
    pub flushed_ends: NotedEnds,
    /// The mark of a clean shutdown.
    pub clean_shutdown: Option<CleanShutdownFile>,
    journal: ReadThroughJournal,
}

impl DirNotes {
    /// Reads what is in `logs_dir`, which may have none of it.
    ///
    /// # Errors
    /// The system refused.
    pub fn read(disk: Arc<dyn Disk>, logs_dir: &Path) -> io::Result<Self> {
        Ok(Self {
            checkpoints: inspect_checkpoints(disk.as_ref(), logs_dir)?,
            flushed_ends: inspect_flushed_ends(disk.as_ref(), logs_dir)?,
            clean_shutdown: inspect_clean_shutdown(disk.as_ref(), logs_dir)?,
            journal: ReadThroughJournal::over(disk, logs_dir)?,
        })
    }

    /// The directory as if what counts in its journal were in place.
    #[must_use]
    pub fn disk(&self) -> Arc<dyn Disk> {
        self.journal.disk()
    }

    /// What is said of the log in `dir`: nothing where it is not named like one in use.
    #[must_use]
    pub fn known(&self, dir: &Path) -> Checkpointed {
        let name = dir.file_name().and_then(|name| name.to_str());
        let Some(partition) = name.and_then(parse_partition_dir) else {
            return Checkpointed::default();
        };
        let disk = self.journal.disk();
        Checkpointed {
            flushed_end: flushed_end_of(disk.as_ref(), dir, &partition, &self.flushed_ends),
            journalled_bytes: self.journal.bytes_of(dir),
            is_journal_damaged: self.journal.is_damaged(dir),
            clean_shutdown: self
                .clean_shutdown
                .as_ref()
                .is_some_and(|file| file.mark.is_some()),
            ..Checkpointed::of(&self.checkpoints, &partition)
        }
    }
}
