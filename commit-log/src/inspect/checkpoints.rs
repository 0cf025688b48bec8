//! The checkpoints of a directory of logs.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use trimaran_types::{Offset, TopicPartition};

use super::Checkpointed;
use crate::atomic_file;
use crate::disk::Disk;
use crate::log_dir::{LOG_STARTS, RECOVERY_POINTS, parse_checkpoint};

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
        }
    }
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
