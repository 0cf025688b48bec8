//! `trimaran log`: the files of partitions, read offline. No broker is asked, nothing is written.

mod dump;
mod seen_json;
mod seen_text;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use trimaran_commit_log::{
    CheckpointFile, Checkpointed, CleanShutdownFile, Disk, Finding, NotedEnds, PartitionSummary,
    Places, ReadThroughJournal, RealDisk, find_places, flushed_end_of, inspect_checkpoints,
    inspect_clean_shutdown, inspect_flushed_ends, lost_partitions, parse_partition_dir,
};

use crate::failure::Failure;
use crate::output::Printer;
use dump::DumpArguments;

/// What to do with the files.
#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Show batches, records, indexes and checkpoints, in the order of the files.
    Dump(DumpArguments),
    /// Check every byte and say what is wrong; exit code 1 when records are damaged.
    Verify {
        /// A partition's directory, the `logs` folder, or a broker's data directory.
        path: PathBuf,
    },
}

impl LogCommand {
    /// # Errors
    /// When the files cannot be read, or, for `verify`, when records are damaged.
    pub(crate) fn run(self, mut printer: Printer) -> Result<(), Failure> {
        match self {
            Self::Dump(dump) => dump.run(&mut printer),
            Self::Verify { path } => verify::run(&path, &mut printer),
        }
    }
}

/// A path that was asked for, and what its checkpoints say.
struct Asked {
    disk: ReadThroughJournal,
    places: Places,
    checkpoints: Vec<CheckpointFile>,
    flushed_ends: NotedEnds,
    clean_shutdown: Option<CleanShutdownFile>,
    is_one_partition: bool,
}

impl Asked {
    fn find(path: &Path) -> Result<Self, Failure> {
        let real = Arc::new(RealDisk);
        let places = find_places(real.as_ref(), path).map_err(|error| {
            unreadable(path, &error).try_next(
                "trimaran log verify DIR   (a broker's log.dirs, its logs folder, or one topic-0 in it)",
            )
        })?;
        let Notes {
            checkpoints,
            flushed_ends,
            clean_shutdown,
        } = match &places.checkpoints {
            Some(dir) => {
                let notes = Notes::read(real.as_ref(), dir);
                notes.map_err(|error| unreadable(dir, &error))?
            }
            None => Notes::default(),
        };
        let logs_dir = places.checkpoints.as_deref().unwrap_or(path);
        let disk = ReadThroughJournal::over(real, logs_dir);
        let disk = disk.map_err(|error| unreadable(logs_dir, &error))?;
        Ok(Self {
            disk,
            is_one_partition: places.partitions == [path],
            places,
            checkpoints,
            flushed_ends,
            clean_shutdown,
        })
    }

    /// The partitions that the checkpoints know and whose folders are gone; only where more was asked
    /// for than one partition.
    fn lost(&self) -> Vec<(PartitionSummary, Finding)> {
        match &self.places.checkpoints {
            Some(dir) if !self.is_one_partition => {
                lost_partitions(&self.checkpoints, dir, &self.places.partitions)
            }
            _ => Vec::new(),
        }
    }

    /// What the checkpoints say of the partition in `dir`.
    fn checkpointed(&self, dir: &Path) -> Result<Checkpointed, Failure> {
        let journalled_bytes = self.disk.bytes_of(dir);
        let journalled_bytes = journalled_bytes.map_err(|error| unreadable(dir, &error))?;
        let partition = dir.file_name().and_then(|name| name.to_str());
        let partition = partition.and_then(parse_partition_dir);
        Ok(
            partition.map_or_else(Checkpointed::default, |partition| Checkpointed {
                flushed_end: flushed_end_of(&self.disk, dir, &partition, &self.flushed_ends),
                journalled_bytes,
                is_journal_damaged: self.disk.is_damaged(dir),
                ..Checkpointed::of(&self.checkpoints, &partition)
            }),
        )
    }
}

/// What a folder of logs has noted about all of them.
#[derive(Default)]
struct Notes {
    checkpoints: Vec<CheckpointFile>,
    flushed_ends: NotedEnds,
    clean_shutdown: Option<CleanShutdownFile>,
}

impl Notes {
    fn read(disk: &dyn Disk, dir: &Path) -> std::io::Result<Self> {
        Ok(Self {
            checkpoints: inspect_checkpoints(disk, dir)?,
            flushed_ends: inspect_flushed_ends(disk, dir)?,
            clean_shutdown: inspect_clean_shutdown(disk, dir)?,
        })
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("cannot read {}: {error}", path.display()))
}
