//! [`Scanned`]: which groups the two halves of a journal hold, and whether any that counts is missing.
//!
//! Every block is looked at, so a bad group hides none behind it; one that the device cannot read is no
//! group. A group is written when the one before it is synced. So of the groups from the low-water mark
//! of the newest one up to it, none may be missing: one that is was synced, and is damaged or gone. A
//! torn group is newer than all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::format::{BLOCK, BLOCK_BYTES, Group, claim, decode};
use super::limits::JOURNAL_BYTES_MAX;
use super::replay::ReplayError;
use crate::disk::{Disk, DiskFile, OpenHow};
use crate::reader::is_unreadable;

/// The names of the halves, in a directory of logs.
pub(super) const HALVES: [&str; 2] = ["flush-journal.0", "flush-journal.1"];

/// Nothing is written beyond it.
const HALF_BYTES_MAX: u64 = JOURNAL_BYTES_MAX / 2;

/// So many groups that are not whole are noted for those who look.
const TORN_MAX: usize = 100;

/// How much of a half is looked at at once.
const WINDOW_BYTES: usize = 256 * BLOCK_BYTES;

/// Where a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) half: usize,
    pub(super) position: u64,
    pub(super) blocks: usize,
    pub(super) low_water: u64,
    has_entries: bool,
}

impl Place {
    /// Whether it says that nothing counts any more, itself included.
    const fn says_empty(&self, sequence: u64) -> bool {
        self.low_water == sequence && !self.has_entries
    }

    /// The first position behind it.
    pub(super) const fn end(&self) -> u64 {
        self.position + self.blocks as u64 * BLOCK
    }
}

/// What makes a journal unbelievable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unsound {
    #[error("group {sequence} is damaged or gone, although group {newest} was written after it")]
    Missing { sequence: u64, newest: u64 },
    #[error("group {sequence} is there twice")]
    Twice { sequence: u64 },
    #[error("{} is gone, although the other half has groups", path.display())]
    HalfGone { path: PathBuf },
    #[error("{} has blocks that cannot be read, where there may have been a group", path.display())]
    Unreadable { path: PathBuf },
    #[error("group {sequence} cannot be read again")]
    Gone { sequence: u64 },
}

/// What the halves hold.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    files: [Option<Arc<dyn DiskFile>>; 2],
    groups: BTreeMap<u64, Place>,
    twice: Option<u64>,
    /// Where a group begins that is not whole: half and position.
    torn: Vec<(usize, u64)>,
    /// Blocks that the device could not read: half and position.
    unreadable: BTreeSet<(usize, u64)>,
}

impl Scanned {
    /// Reads both halves below `logs_dir`; one that is not there holds nothing.
    pub(super) fn read(disk: &dyn Disk, logs_dir: &Path) -> io::Result<Self> {
        Self::read_files(disk, &HALVES.map(|name| logs_dir.join(name)))
    }

    /// The same for halves that may have other names.
    pub(super) fn read_files(disk: &dyn Disk, paths: &[PathBuf; 2]) -> io::Result<Self> {
        let mut scanned = Self::default();
        for (half, path) in paths.iter().enumerate() {
            let file = match disk.open(path, OpenHow::Existing) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            // A page that the system called clean after a failed write is not to be believed.
            file.forget_cached();
            scanned.read_half(half, file.as_ref())?;
            let of_half = (half, 0)..=(half, u64::MAX);
            let unreadable = scanned.unreadable.range(of_half).count();
            if unreadable > 0 {
                tracing::error!(file = %path.display(), unreadable, "blocks of a flush journal cannot be read");
            }
            scanned.files[half] = Some(file);
        }
        Ok(scanned)
    }

    fn read_half(&mut self, half: usize, file: &dyn DiskFile) -> io::Result<()> {
        let end = file.bytes()?.min(HALF_BYTES_MAX);
        let (mut window, mut at) = (Vec::new(), 0);
        loop {
            let got = self.read_window(half, file, (at, end), &mut window)?;
            if got < BLOCK_BYTES {
                return Ok(());
            }
            let whole = (got - got % BLOCK_BYTES) as u64;
            let mut next = at;
            while next < at + whole {
                let from = usize::try_from(next - at).unwrap_or(usize::MAX);
                let found = match claim(&window[from..from + BLOCK_BYTES]) {
                    Some(claimed) => self.take(half, file, next, claimed.blocks)?,
                    None => None,
                };
                next = found.unwrap_or(next + BLOCK);
            }
            at = next;
        }
    }

    /// Reads a window of a file that counts up to `end`, with zeros, which are no group, where the device
    /// cannot.
    fn read_window(
        &mut self,
        half: usize,
        file: &dyn DiskFile,
        (at, end): (u64, u64),
        window: &mut Vec<u8>,
    ) -> io::Result<usize> {
        window.clear();
        let left = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
        let bytes = left.min(WINDOW_BYTES);
        match file.read_at(at, bytes, window) {
            Err(error) if is_unreadable(&error) => window.clear(),
            read => return read,
        }
        while window.len() < bytes {
            let from = window.len();
            match file.read_at(at + from as u64, BLOCK_BYTES, window) {
                Ok(BLOCK_BYTES) => {}
                Ok(_) => break,
                Err(error) if is_unreadable(&error) => {
                    window.truncate(from);
                    window.resize(from + BLOCK_BYTES, 0);
                    self.unreadable.insert((half, at + from as u64));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(window.len())
    }

    /// Takes the group in, if it is a good one, and tells where it ends.
    fn take(
        &mut self,
        half: usize,
        file: &dyn DiskFile,
        position: u64,
        blocks: usize,
    ) -> io::Result<Option<u64>> {
        let Some(group) = read_group(file, position, blocks)? else {
            if self.torn.len() < TORN_MAX {
                self.torn.push((half, position));
            }
            return Ok(None);
        };
        let place = Place {
            half,
            position,
            blocks,
            low_water: group.low_water,
            has_entries: !group.is_empty(),
        };
        if self.groups.insert(group.sequence, place).is_some() {
            self.twice = Some(group.sequence);
        }
        Ok(Some(place.end()))
    }

    /// The newest group: its number and its place.
    pub(super) fn newest(&self) -> Option<(u64, Place)> {
        let (sequence, place) = self.groups.last_key_value()?;
        Some((*sequence, *place))
    }

    /// Whether nothing would be put in place: the newest group says that all is, itself included.
    pub(super) fn is_empty(&self) -> bool {
        self.newest()
            .is_none_or(|(sequence, place)| place.says_empty(sequence))
    }

    /// Whether the group before the newest one, in the other half, says the same as it: that nothing
    /// counts.
    pub(super) fn is_said_twice(&self) -> bool {
        let mut newest = self.groups.iter().rev().take(2);
        let (Some((last, place)), Some((first, before))) = (newest.next(), newest.next()) else {
            return false;
        };
        place.says_empty(*last)
            && before.says_empty(*first)
            && first + 1 == *last
            && before.half != place.half
    }

    /// What is wrong with the journal, if anything is.
    pub(super) fn unsound(&self, logs_dir: &Path) -> Option<Unsound> {
        let Some((newest, place)) = self.newest() else {
            let (half, _) = self.unreadable.first()?;
            let path = logs_dir.join(HALVES[*half]);
            return Some(Unsound::Unreadable { path });
        };
        // Where a later group would stand nobody can say that there is none.
        for next in [(place.half, place.end()), (1 - place.half, 0)] {
            if self.unreadable.contains(&next) {
                let path = logs_dir.join(HALVES[next.0]);
                return Some(Unsound::Unreadable { path });
            }
        }
        if let Some(sequence) = self.twice {
            return Some(Unsound::Twice { sequence });
        }
        if let Some(gone) = self.files.iter().position(Option::is_none) {
            let path = logs_dir.join(HALVES[gone]);
            return Some(Unsound::HalfGone { path });
        }
        let mut expected = place.low_water;
        for sequence in self
            .groups
            .range(place.low_water..)
            .map(|(number, _)| *number)
        {
            if sequence != expected {
                break;
            }
            expected = sequence.saturating_add(1);
        }
        (expected <= newest).then_some(Unsound::Missing {
            sequence: expected,
            newest,
        })
    }

    /// The groups that count, oldest first.
    pub(super) fn live(&self) -> impl Iterator<Item = Result<Group, ReplayError>> + '_ {
        let from = self.newest().map_or(u64::MAX, |(_, place)| place.low_water);
        self.places()
            .filter(move |(sequence, _)| *sequence >= from)
            .map(|(sequence, place)| self.group(sequence, place))
    }

    /// Where every group stands, oldest first, also those that do not count any more.
    pub(super) fn places(&self) -> impl Iterator<Item = (u64, Place)> + '_ {
        let places = self.groups.iter();
        places.map(|(sequence, place)| (*sequence, *place))
    }

    /// Where groups begin that are not whole: half and position. Not more than a hundred.
    pub(super) fn torn(&self) -> &[(usize, u64)] {
        &self.torn
    }

    /// Reads a group again.
    pub(super) fn group(&self, sequence: u64, place: Place) -> Result<Group, ReplayError> {
        let gone = || Unsound::Gone { sequence };
        let file = self.files[place.half].as_ref().ok_or_else(gone)?;
        let group = read_group(file.as_ref(), place.position, place.blocks)?;
        // Who looks beside a running broker may find a newer one in its place.
        let group = group.filter(|group| group.sequence == sequence);
        Ok(group.ok_or_else(gone)?)
    }

    /// The open file of a half.
    pub(super) fn file(&self, half: usize) -> Option<&Arc<dyn DiskFile>> {
        self.files[half].as_ref()
    }
}

fn read_group(file: &dyn DiskFile, position: u64, blocks: usize) -> io::Result<Option<Group>> {
    let claimed = blocks * BLOCK_BYTES;
    let mut bytes = Vec::new();
    // Nothing is reserved for a claim that the file does not hold.
    if file.bytes()?.saturating_sub(position) < claimed as u64 {
        return Ok(None);
    }
    let read = again(|| {
        bytes.clear();
        file.read_at(position, claimed, &mut bytes)
    });
    match read {
        Ok(_) => Ok(decode(&bytes)),
        Err(error) if is_unreadable(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads once more what the device could not read: it is damage for good only if it stays so.
pub(super) fn again<T>(mut read: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    match read() {
        Err(error) if is_unreadable(&error) => read(),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_dir::parse_partition_dir;

    #[test]
    fn no_log_has_a_folder_by_the_name_of_a_half() {
        assert!(parse_partition_dir("flush-journal-0").is_some());
        assert!(
            HALVES
                .iter()
                .all(|name| parse_partition_dir(name).is_none())
        );
    }
}
