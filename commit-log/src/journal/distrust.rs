//! [`Distrust`]: the logs that may lack synced records because a journal was damaged.
//!
//! Nobody can tell which logs a lost group had bytes of. So each log that was there then is damaged,
//! until it is set aside, and so is a single one that cannot take what a journal has of it:
//! `flush-journal-distrust` names them, one a line behind a version and a count and before a checksum,
//! and outlives the journal. A name goes when its folder has. A changed letter in a name would have the
//! one log trusted that may not be, so a file that is damaged names every log.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use trimaran_types::TopicPartition;

use super::scan::again;
use crate::atomic_file;
use crate::change_error::ChangeError;
use crate::checksum_line;
use crate::disk::Disk;
use crate::log_dir::parse_partition_dir;
use crate::reader::is_unreadable;

const FILE: &str = "flush-journal-distrust";

/// The logs that may not count as whole.
#[derive(Debug)]
pub struct Distrust {
    path: PathBuf,
    names: Mutex<BTreeSet<String>>,
}

fn format(names: &BTreeSet<String>) -> String {
    let mut text = format!("0\n{}\n", names.len());
    for name in names {
        text.push_str(name);
        text.push('\n');
    }
    checksum_line::sealed(text)
}

/// `None` when the file is damaged.
fn parse(text: &str) -> Option<BTreeSet<String>> {
    let mut lines = checksum_line::opened(text)?.lines();
    let count: usize = match (lines.next()?, lines.next()?) {
        ("0", count) => count.parse().ok()?,
        _ => return None,
    };
    let names: BTreeSet<String> = lines.map(str::to_owned).collect();
    (names.len() == count && names.iter().all(|name| parse_partition_dir(name).is_some()))
        .then_some(names)
}

impl Distrust {
    /// No log is distrusted.
    pub(crate) fn none(logs_dir: &Path) -> Self {
        Self {
            path: logs_dir.join(FILE),
            names: Mutex::default(),
        }
    }

    /// Reads the file and takes the names out, durably, whose folders are gone. A damaged file names
    /// every log that is there, and is replaced by one that says so: logs that come later are trusted.
    pub(super) fn read(disk: &dyn Disk, logs_dir: &Path) -> Result<Self, ChangeError> {
        let (mut distrust, was_whole) = Self::load(disk, logs_dir)?;
        let noted = std::mem::take(&mut *distrust.lock());
        if noted.is_empty() && was_whole {
            return Ok(distrust);
        }
        let there = folders(disk, logs_dir)?;
        let left: BTreeSet<String> = noted.intersection(&there).cloned().collect();
        if left != noted || !was_whole {
            atomic_file::replace(disk, &distrust.path, format(&left).as_bytes())?;
        }
        distrust.names = Mutex::new(left);
        Ok(distrust)
    }

    /// What the file says, and whether it is absent or whole.
    fn load(disk: &dyn Disk, logs_dir: &Path) -> io::Result<(Self, bool)> {
        let mut distrust = Self::none(logs_dir);
        let text = match again(|| atomic_file::read_text(disk, &distrust.path)) {
            Ok(None) => return Ok((distrust, true)),
            Ok(Some(text)) => text,
            Err(error) if error.kind() == io::ErrorKind::InvalidData || is_unreadable(&error) => {
                String::new()
            }
            Err(error) => return Err(error),
        };
        let names = parse(&text);
        let was_whole = names.is_some();
        distrust.names = Mutex::new(match names {
            Some(names) => names,
            None => folders(disk, logs_dir)?,
        });
        Ok((distrust, was_whole))
    }

    /// Distrusts every log that is there, durably.
    pub(super) fn all_logs(&mut self, disk: &dyn Disk, cause: String) -> Result<(), ChangeError> {
        let logs_dir = self.path.parent().unwrap_or_else(|| Path::new("."));
        let there = folders(disk, logs_dir)?;
        tracing::error!(dir = %logs_dir.display(), logs = there.len(), cause, "logs that may lack synced records are to be fetched again");
        atomic_file::replace(disk, &self.path, format(&there).as_bytes())?;
        self.names = Mutex::new(there);
        Ok(())
    }

    /// Distrusts these logs, too, durably.
    pub(super) fn add(
        &mut self,
        disk: &dyn Disk,
        names: BTreeSet<String>,
    ) -> Result<(), ChangeError> {
        let mut all = self.lock().clone();
        let before = all.len();
        all.extend(names);
        if all.len() > before {
            atomic_file::replace(disk, &self.path, format(&all).as_bytes())?;
            self.names = Mutex::new(all);
        }
        Ok(())
    }

    /// Whether every log is trusted.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the log in `dir` may lack synced records.
    pub(crate) fn has(&self, dir: &Path) -> bool {
        let name = dir.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| self.lock().contains(name))
    }

    /// The file that says so.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folders of these logs are gone, durably: what takes their names is trusted.
    pub(crate) fn forget(
        &self,
        disk: &dyn Disk,
        gone: &[TopicPartition],
    ) -> Result<(), ChangeError> {
        let mut names = self.lock();
        let mut left = names.clone();
        for partition in gone {
            left.remove(&partition.to_string());
        }
        if left != *names {
            atomic_file::replace(disk, &self.path, format(&left).as_bytes())?;
            *names = left;
        }
        Ok(())
    }
}

fn folders(disk: &dyn Disk, logs_dir: &Path) -> io::Result<BTreeSet<String>> {
    let entries = disk.list(logs_dir)?.into_iter();
    Ok(entries
        .filter(|entry| entry.is_dir && parse_partition_dir(&entry.name).is_some())
        .map(|entry| entry.name)
        .collect())
}
