//! [`Places`]: the partitions under a path, which may be one partition, the `logs` folder, or a
//! broker's whole data directory.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::log_dir::parse_partition_dir;
use crate::names::SegmentFile;

const LOGS: &str = "logs";

/// Where there is something to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The directories of partitions, by name; those that were set aside included.
    pub partitions: Vec<PathBuf>,
    /// The directory that has the checkpoints of them, when there is one.
    pub checkpoints: Option<PathBuf>,
}

/// Finds what is under `path`.
///
/// # Errors
/// The system refused, or `path` is no directory of a log, nor of logs.
pub fn find_places(disk: &dyn Disk, path: &Path) -> io::Result<Places> {
    let entries = disk.list(path)?;
    let is_partition = entries
        .iter()
        .any(|entry| !entry.is_dir && SegmentFile::parse(&entry.name).is_some());
    let has_logs = entries
        .iter()
        .any(|entry| entry.is_dir && entry.name == LOGS);
    // First: a data directory may be named like a partition, `broker-1`.
    if has_logs && !is_partition {
        return find_places(disk, &path.join(LOGS));
    }
    let name = path.file_name().and_then(|name| name.to_str());
    if is_partition || name.is_some_and(|name| parse_partition_dir(name).is_some()) {
        return Ok(Places {
            partitions: vec![path.to_owned()],
            checkpoints: path.parent().map(Path::to_owned),
        });
    }
    let mut partitions: Vec<PathBuf> = entries
        .iter()
        .filter(|entry| entry.is_dir)
        // `topic-3`, or `topic-3.<id>-stray`.
        .filter(|entry| {
            let name = entry
                .name
                .split_once('.')
                .map_or(&*entry.name, |(name, rest)| match rest.rsplit_once('-') {
                    Some((_, "delete" | "stray" | "corrupt" | "future")) => name,
                    _ => &*entry.name,
                });
            parse_partition_dir(name).is_some()
        })
        .map(|entry| path.join(&entry.name))
        .collect();
    if partitions.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "no partition's directory is here, expected names like topic-0",
        ));
    }
    partitions.sort();
    Ok(Places {
        partitions,
        checkpoints: Some(path.to_owned()),
    })
}
