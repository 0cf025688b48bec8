//! The checkpoints of a directory of logs.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use trimaran_types::{Offset, TopicPartition};

use super::Checkpointed;
use crate::disk::Disk;
use crate::log_dir::{
    CLEAN_SHUTDOWN, CleanShutdown, LOG_STARTS, NotedEnds, RECOVERY_POINTS, parse_checkpoint,
    parse_clean_shutdown,
};
use crate::names::PARTITION_METADATA;
use crate::{atomic_file, partition_metadata};

/// Ends the names of all offset checkpoints.
const SUFFIX: &str = "-offset-checkpoint";

/// One checkpoint file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointFile {
    /// The file.
    pub path: PathBuf,
    /// What it says; `None` when it is damaged, which the next start takes for empty.
    pub offsets: Option<BTreeMap<TopicPartition, Offset>>,
}

impl CheckpointFile {
    /// The logs that were begun and up to where each was synced, when this is the file that says so.
    pub(super) fn recovery_points(&self) -> Option<&BTreeMap<TopicPartition, Offset>> {
        self.offsets.as_ref().filter(|_| self.is(RECOVERY_POINTS))
    }

    fn is(&self, name: &str) -> bool {
        self.path.file_name().is_some_and(|own| own == name)
    }
}

impl Checkpointed {
    /// What the checkpoints of a directory say of a partition.
    #[must_use]
    pub fn of(files: &[CheckpointFile], partition: &TopicPartition) -> Self {
        let offset = |name: &str| {
            let file = files.iter().find(|file| file.is(name))?;
            file.offsets.as_ref()?.get(partition).copied()
        };
        Self {
            recovery_point: offset(RECOVERY_POINTS),
            log_start: offset(LOG_STARTS),
            ..Self::default()
        }
    }
}

/// The mark of a clean shutdown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CleanShutdownFile {
    /// The file.
    pub path: PathBuf,
    /// What it says; `None` when it is damaged, which the next start takes for no mark.
    pub mark: Option<CleanShutdown>,
}

/// Looks for the mark of a clean shutdown in `dir`.
///
/// # Errors
/// The system refused.
pub fn inspect_clean_shutdown(
    disk: &dyn Disk,
    dir: &Path,
) -> io::Result<Option<CleanShutdownFile>> {
    let path = dir.join(CLEAN_SHUTDOWN);
    let mark = match atomic_file::read_text(disk, &path) {
        Ok(None) => return Ok(None),
        Ok(Some(text)) => parse_clean_shutdown(&text),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
        Err(error) => return Err(error),
    };
    Ok(Some(CleanShutdownFile { path, mark }))
}

/// Reads what the logs of `dir` have noted of their flushed ends (ADR 0011).
///
/// # Errors
/// The system refused.
pub fn inspect_flushed_ends(disk: &dyn Disk, dir: &Path) -> io::Result<NotedEnds> {
    NotedEnds::read(disk, dir)
}

/// The noted flushed end of the log in `dir`, which is `partition`'s. `None` when there is none, or
/// the directory does not say its topic's id.
#[must_use]
pub fn flushed_end_of(
    disk: &dyn Disk,
    dir: &Path,
    partition: &TopicPartition,
    ends: &NotedEnds,
) -> Option<Offset> {
    let text = atomic_file::read_text(disk, &dir.join(PARTITION_METADATA));
    let topic_id = partition_metadata::parse(&text.ok()??)?;
    ends.get(topic_id, partition.partition)
}

/// Reads every checkpoint in `dir`, by name.
///
/// # Errors
/// The system refused.
pub fn inspect_checkpoints(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<CheckpointFile>> {
    let mut names: Vec<String> = disk
        .list(dir)?
        .into_iter()
        .filter(|entry| !entry.is_dir && entry.name.ends_with(SUFFIX))
        .map(|entry| entry.name)
        .collect();
    names.sort();
    let mut files = Vec::new();
    for name in names {
        let path = dir.join(name);
        let offsets = match atomic_file::read_text(disk, &path) {
            Ok(text) => text.as_deref().and_then(parse_checkpoint),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
            Err(error) => return Err(error),
        };
        files.push(CheckpointFile { path, offsets });
    }
    Ok(files)
}
