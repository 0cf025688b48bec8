//! `trimaran log`: the files of partitions, read offline. No broker is asked, nothing is written.

mod dump;
mod journal;
mod seen_json;
mod seen_text;
mod verify;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use trimaran_commit_log::{
    DirNotes, Disk, Finding, JournalFiles, JournalGroup, JournalSummary, PartitionSummary, Places,
    RealDisk, find_places, inspect_journal, lost_partitions, parse_partition_dir,
};

use crate::failure::Failure;
use crate::output::Printer;
use dump::DumpArguments;

/// What to do with the files.
#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Show batches, records, indexes and checkpoints, in the order of the files.
    Dump(DumpArguments),
    /// Check every byte and say what is wrong; exit code 1 when records are damaged, but for folders that
    /// were set aside.
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

/// A path that was asked for, and what its directory says of it.
struct Asked {
    disk: Arc<dyn Disk>,
    places: Places,
    notes: DirNotes,
    journal: Option<JournalSummary>,
    is_one_partition: bool,
}

impl Asked {
    fn find(path: &Path) -> Result<Self, Failure> {
        let real: Arc<dyn Disk> = Arc::new(RealDisk);
        let places = find_places(real.as_ref(), path).map_err(|error| {
            unreadable(path, &error).try_next(
                "trimaran log verify DIR   (a broker's log.dirs, its logs folder, or one topic-0 in it)",
            )
        })?;
        let logs_dir = places.checkpoints.as_deref().unwrap_or(path);
        let failed = |error| unreadable(logs_dir, &error);
        let files = JournalFiles::in_dir(logs_dir);
        let mut go_on = |_: &JournalGroup| ControlFlow::Continue(());
        let journal = inspect_journal(real.as_ref(), &files, &mut go_on).map_err(failed)?;
        let notes = DirNotes::read(real, logs_dir).map_err(failed)?;
        Ok(Self {
            disk: notes.disk(),
            is_one_partition: places.partitions == [path],
            places,
            notes,
            journal,
        })
    }

    /// The partitions that the checkpoints know and whose folders are gone; only where more was asked
    /// for than one partition.
    fn lost(&self) -> Vec<(PartitionSummary, Finding)> {
        match &self.places.checkpoints {
            Some(dir) if !self.is_one_partition => {
                lost_partitions(&self.notes.checkpoints, dir, &self.places.partitions)
            }
            _ => Vec::new(),
        }
    }

    /// Whether the folder was set aside: no broker looks at it, and people keep it for what it holds.
    fn is_set_aside(dir: &Path) -> bool {
        let name = dir.file_name().and_then(|name| name.to_str());
        name.and_then(parse_partition_dir).is_none()
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("cannot read {}: {error}", path.display()))
}
