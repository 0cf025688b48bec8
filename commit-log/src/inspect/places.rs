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
            checkpoints: Some(folder_of(path)),
        });
    }
    let mut partitions: Vec<PathBuf> = entries
        .iter()
        .filter(|entry| entry.is_dir)
        .filter(|entry| parse_partition_dir(original_name(&entry.name)).is_some())
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

/// The folder that `path` lies in, also when it says only a name, or ends in dots.
fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() && path.file_name().is_some() => {
            parent.to_owned()
        }
        Some(_) if path.file_name().is_some() => PathBuf::from("."),
        _ => path.join(".."),
    }
}

/// `topic-3` of `topic-3`, and of `topic-3.<id>-stray`. Topics may have dots in their names, ids have
/// none, but may have hyphens.
fn original_name(name: &str) -> &str {
    const ASIDE: [&str; 6] = [
        "-delete",
        "-stray",
        "-damaged",
        "-distrusted",
        "-corrupt",
        "-future",
    ];
    let has_suffix = ASIDE.iter().any(|suffix| name.ends_with(suffix));
    match name.rsplit_once('.') {
        Some((before, _)) if has_suffix => before,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_were_set_aside_keep_their_name() {
        let table = [
            ("t-0", "t-0"),
            ("a.b-7", "a.b-7"),
            ("t-0.rYY3nnFSTqSSPHTTP0qT-g-stray", "t-0"),
            ("a.b-7.rYY3nnFSTqSSPHTTP0qT-g-damaged", "a.b-7"),
            ("a.b-7.rYY3nnFSTqSSPHTTP0qT-g-distrusted", "a.b-7"),
            ("a.b-7.rYY3nnFSTqSSPHTTP0qT-g-delete", "a.b-7"),
            (
                "a.b-7.rYY3nnFSTqSSPHTTP0qT-g-other",
                "a.b-7.rYY3nnFSTqSSPHTTP0qT-g-other",
            ),
        ];
        for (name, expected) in table {
            assert_eq!(original_name(name), expected);
        }
    }

    #[test]
    fn a_name_alone_lies_in_the_folder_where_one_is() {
        for (path, folder) in [
            ("t-0", "."),
            ("logs/t-0", "logs"),
            ("/data/logs/t-0/", "/data/logs"),
            (".", "./.."),
            ("..", "../.."),
        ] {
            assert_eq!(folder_of(Path::new(path)), Path::new(folder), "{path}");
        }
    }
}
