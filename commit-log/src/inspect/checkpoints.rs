//! The checkpoints of a directory of logs.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use trimaran_types::{Offset, TopicPartition};

use crate::atomic_file;
use crate::disk::Disk;
use crate::log_dir::parse_checkpoint;

/// Ends the names of all offset checkpoints.
const SUFFIX: &str = "-offset-checkpoint";

/// Begins the name of the one that says up to where logs were synced.
const RECOVERY_POINT: &str = "recovery-point";

/// One checkpoint file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointFile {
    /// The file.
    pub path: PathBuf,
    /// What it says; `None` when it is damaged, which the next start takes for empty.
    pub offsets: Option<BTreeMap<TopicPartition, Offset>>,
}

impl CheckpointFile {
    /// The recovery point of a partition, when this is the file that has it.
    #[must_use]
    pub fn recovery_point(&self, partition: &TopicPartition) -> Option<Offset> {
        let name = self.path.file_name()?.to_str()?;
        let offsets = self.offsets.as_ref()?;
        name.starts_with(RECOVERY_POINT)
            .then(|| offsets.get(partition).copied())?
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
