//! [`inspect_journal`]: the groups of a journal, for those who only look. Changes nothing.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use trimaran_types::Offset;

use super::format::{BLOCK, Group, Noted};
use super::replay::{Forgotten, ReplayError};
use super::scan::{HALVES, Place, Scanned};
use crate::disk::Disk;
use crate::log_dir::is_marked_clean;

/// How often a journal that changes is looked at.
const LOOKS_MAX: usize = 10;

/// Ends the names of a journal that was damaged and set aside.
const DAMAGED_SUFFIX: &str = ".damaged";

/// Which journal, and which of its two files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalFiles {
    logs_dir: PathBuf,
    is_set_aside: bool,
    half: Option<usize>,
}

impl JournalFiles {
    /// Both files of the journal in use in `logs_dir`.
    #[must_use]
    pub fn in_dir(logs_dir: &Path) -> Self {
        Self {
            logs_dir: logs_dir.to_owned(),
            is_set_aside: false,
            half: None,
        }
    }

    /// One file, which may be of a journal that was damaged and set aside; `None` when it is not named
    /// like one.
    #[must_use]
    pub fn of_file(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let (name, is_set_aside) = match name.strip_suffix(DAMAGED_SUFFIX) {
            Some(name) => (name, true),
            None => (name, false),
        };
        let half = HALVES.iter().position(|half| *half == name)?;
        Some(Self {
            logs_dir: path.parent()?.to_owned(),
            is_set_aside,
            half: Some(half),
        })
    }

    fn paths(&self) -> [PathBuf; 2] {
        let suffix = if self.is_set_aside {
            DAMAGED_SUFFIX
        } else {
            ""
        };
        HALVES.map(|name| self.logs_dir.join(format!("{name}{suffix}")))
    }
}

/// One thing that a group notes of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalEntry {
    /// Bytes of a segment.
    Bytes {
        /// The log's folder.
        log: String,
        /// The segment's base offset.
        base: Offset,
        /// Where in the segment's file they stand.
        position: u64,
        /// How many there are.
        bytes: usize,
        /// A later entry has the log forgotten.
        is_void: bool,
    },
    /// What was noted of the log before is void.
    Forget {
        /// The log's folder.
        log: String,
    },
}

/// One good group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalGroup {
    /// Its file.
    pub file: PathBuf,
    /// Where it starts there.
    pub position: u64,
    /// How long it is.
    pub bytes: u64,
    /// Its number, which grows by one over both files.
    pub number: u64,
    /// Groups below this number did not count when it was written.
    pub low_water: u64,
    /// The next start puts in place what it has, unless it is void.
    pub counts: bool,
    /// What it notes, in order.
    pub entries: Vec<JournalEntry>,
}

/// What a journal holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalSummary {
    /// The files that are there.
    pub files: Vec<PathBuf>,
    /// Good groups, those that do not count any more included.
    pub groups: usize,
    /// Groups that count.
    pub groups_counting: usize,
    /// The number of the newest group.
    pub newest: Option<u64>,
    /// Where groups begin that are not whole, a hundred at most: the newest was torn, or they are damaged.
    pub torn: Vec<(PathBuf, u64)>,
    /// Why nothing of it is believed, if that is so; then the next start takes every log for damaged,
    /// unless the last stop was clean.
    pub unsound: Option<String>,
    /// The last stop was clean: nothing in it counts.
    pub was_clean: bool,
}

/// Shows the groups in the order of their numbers, and tells what the journal amounts to; `None` where
/// there is none. Reads one group at a time.
///
/// # Errors
/// The system refused.
pub fn inspect_journal(
    disk: &dyn Disk,
    files: &JournalFiles,
    on_group: &mut dyn FnMut(&JournalGroup) -> ControlFlow<()>,
) -> io::Result<Option<JournalSummary>> {
    let paths = files.paths();
    let (scanned, forgotten) = scan(disk, &paths)?;
    let there = |half: &usize| scanned.file(*half).is_some();
    if !(0..paths.len()).any(|half| there(&half)) {
        return Ok(None);
    }
    let unsound = scanned.unsound(&files.logs_dir);
    let was_clean = !files.is_set_aside && is_marked_clean(disk, &files.logs_dir)?;
    let counts = unsound.is_none() && !files.is_set_aside && !was_clean;
    let from = match scanned.newest() {
        Some((_, place)) if counts => place.low_water,
        _ => u64::MAX,
    };
    let looked = Looked {
        forgotten,
        from,
        paths: &paths,
    };
    for (number, place) in scanned.places() {
        if files.half.is_some_and(|half| half != place.half) {
            continue;
        }
        let group = match scanned.group(number, place) {
            Ok(group) => looked.group(place, &group),
            // Written over by the broker that runs, since it did not count any more.
            Err(ReplayError::Unsound(_)) => continue,
            Err(ReplayError::Change(error)) => return Err(error.into_io()),
        };
        if on_group(&group).is_break() {
            break;
        }
    }
    let torn = scanned.torn().iter();
    Ok(Some(JournalSummary {
        groups: scanned.places().count(),
        groups_counting: scanned
            .places()
            .filter(|(number, _)| *number >= from)
            .count(),
        newest: scanned.newest().map(|(number, _)| number),
        torn: torn
            .map(|(half, position)| (paths[*half].clone(), *position))
            .collect(),
        unsound: unsound.map(|cause| cause.to_string()),
        was_clean,
        files: (0..paths.len())
            .filter(there)
            .map(|half| paths[half].clone())
            .collect(),
    }))
}

/// What the files hold, and which logs they have forgotten. A group that counts may be written over
/// between two looks, and then there are later ones.
fn scan(disk: &dyn Disk, paths: &[PathBuf; 2]) -> io::Result<(Scanned, Forgotten)> {
    for _ in 1..LOOKS_MAX {
        let scanned = Scanned::read_files(disk, paths)?;
        match Forgotten::of(&scanned) {
            Ok(forgotten) => return Ok((scanned, forgotten)),
            Err(ReplayError::Unsound(_)) => {}
            Err(ReplayError::Change(error)) => return Err(error.into_io()),
        }
    }
    let scanned = Scanned::read_files(disk, paths)?;
    let forgotten = Forgotten::of(&scanned).map_err(ReplayError::into_io)?;
    Ok((scanned, forgotten))
}

struct Looked<'a> {
    forgotten: Forgotten,
    /// Groups from this number on count.
    from: u64,
    paths: &'a [PathBuf; 2],
}

impl Looked<'_> {
    fn group(&self, place: Place, group: &Group) -> JournalGroup {
        let counts = group.sequence >= self.from;
        let entry = |(number, (log, noted)): (usize, (&str, Noted<'_>))| match noted {
            Noted::Bytes {
                base,
                position,
                bytes,
            } => JournalEntry::Bytes {
                is_void: counts && self.forgotten.makes_void(log, (group.sequence, number)),
                log: log.to_owned(),
                base,
                position,
                bytes: bytes.len(),
            },
            Noted::Forget => JournalEntry::Forget {
                log: log.to_owned(),
            },
        };
        JournalGroup {
            file: self.paths[place.half].clone(),
            position: place.position,
            bytes: place.blocks as u64 * BLOCK,
            number: group.sequence,
            low_water: group.low_water,
            counts,
            entries: group.entries().enumerate().map(entry).collect(),
        }
    }
}
