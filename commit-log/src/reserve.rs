//! [`Reserve`]: blocks of the disk that are kept for the day on which there is no other.
//!
//! Retention writes the new log start before it lets a file go, a log that is cut lowers its
//! checkpoints first, and a clean stop leaves its mark. On a disk without a free block each of them
//! would fail for want of one, and nothing would ever make room again. So the directory of logs has
//! a file, [`RESERVED_SPACE`], whose blocks are given up, a few at a time, when such a write meets a
//! full disk; the write is tried again, and what it has set free is taken back at once.
//!
//! * The file says nothing: any length and any content are good, also those that a power cut leaves.
//! * What may wait for room, as the high watermarks may, does not draw on it.
//! * It is never grown at a write's expense: growing takes what is free and stops.
//!
//! Blocks are given up from the end of the file rather than with the whole of it, so that appends
//! which meet the same full disk find next to nothing to take in between.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::Errno;

use crate::change_error::ChangeError;
use crate::disk::{Disk, DiskFile, OpenHow};

/// The file's name, in the directory of logs.
pub(crate) const RESERVED_SPACE: &str = "reserved-space";

/// What a broker keeps in each log directory, in bytes: the largest checkpoint of 10,000 partitions
/// whose topics have names of 180 characters (207 bytes a line). It is written beside the old one.
pub const RESERVE_BYTES_DEFAULT: u64 = 2 * 1024 * 1024;

/// The usual block of a file system, in bytes. Where it is larger, a write is tried more often.
const BLOCK_BYTES: u64 = 4096;

/// Given up beyond what is written: a name may need a block in its directory, a file one for where
/// its blocks are.
const BLOCKS_BESIDE: u64 = 4;

/// Bytes that are written at once.
const PIECE_BYTES: usize = 64 * 1024;

/// The reserved blocks of one directory of logs. There are none before it is filled.
#[derive(Debug)]
pub struct Reserve {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// Who draws is alone: what one has set free is not for another to take back.
    turn: Mutex<()>,
}

/// An answer of the system that may be a full disk's.
pub(crate) trait Refusal: From<io::Error> {
    /// Whether blocks would help.
    fn is_full(&self) -> bool;

    /// A sync that failed. That is final, whatever the system says of it (ADR 0004).
    fn unsynced(error: io::Error) -> Self;
}

impl Refusal for io::Error {
    fn is_full(&self) -> bool {
        is_full(self)
    }

    fn unsynced(error: io::Error) -> Self {
        Self::other(error)
    }
}

impl Refusal for ChangeError {
    fn is_full(&self) -> bool {
        matches!(self, Self::Refused(error) if is_full(error))
    }

    fn unsynced(error: io::Error) -> Self {
        Self::Unsynced(error)
    }
}

/// Whether blocks would help: not so with a lack of descriptors, or a file that is too long.
pub(crate) fn is_full(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(|errno| matches!(errno, Errno::NOSPC | Errno::DQUOT))
        || error.kind() == io::ErrorKind::StorageFull
}

impl Reserve {
    /// That of `logs_dir`; what an earlier process left there counts.
    pub(crate) fn new(disk: Arc<dyn Disk>, logs_dir: &Path) -> Self {
        Self {
            disk,
            path: logs_dir.join(RESERVED_SPACE),
            turn: Mutex::new(()),
        }
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Brings the reserve to `bytes`, as far as there is room, and tells how many it has.
    pub(crate) fn fill(&self, bytes: u64) -> io::Result<u64> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match self.disk.open(&self.path, OpenHow::OrCreate) {
            Err(error) if is_full(&error) => return Ok(0),
            opened => opened?,
        };
        let had = file.bytes()?;
        if had >= bytes {
            if had > bytes {
                // A stop in the middle of a look for room.
                file.truncate(bytes)?;
            }
            return Ok(bytes);
        }
        // Not synced: a stop that loses some of it costs no more than growing it again.
        grow(file.as_ref(), had, bytes)?;
        file.bytes()
    }

    /// Whether there is room for `bytes` beside what is reserved: takes it, and gives it back. Whoever
    /// writes meanwhile may meet a full disk.
    pub(crate) fn has_room_beside(&self, bytes: u64) -> io::Result<bool> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let file = self.disk.open(&self.path, OpenHow::OrCreate)?;
        let had = file.bytes()?;
        let wanted = had.saturating_add(bytes);
        grow(file.as_ref(), had, wanted)?;
        let has_room = file.bytes()? >= wanted;
        file.truncate(had)?;
        Ok(has_room)
    }

    /// Does `write`, which puts down about `bytes`. When the disk is full, gives up reserved blocks
    /// and does it again, until it has room or the reserve is used up. `write` must be one that may
    /// be begun anew after it has failed half way.
    ///
    /// # Errors
    /// That of the last try; or the reserve itself could not be changed.
    pub(crate) fn with_room<T, E: Refusal>(
        &self,
        bytes: usize,
        mut write: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        match write() {
            Err(error) if error.is_full() => self.draw(bytes as u64, error, write),
            done => done,
        }
    }

    fn draw<T, E: Refusal>(
        &self,
        bytes: u64,
        refused: E,
        mut write: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(file) = self.disk.open(&self.path, OpenHow::Existing) else {
            return Err(refused);
        };
        let had = file.bytes()?;
        let step = (bytes.div_ceil(BLOCK_BYTES) + BLOCKS_BESIDE) * BLOCK_BYTES;
        let (mut left, mut done) = (had, Err(refused));
        while left > 0 && matches!(&done, Err(error) if error.is_full()) {
            left = left.saturating_sub(step);
            file.truncate(left)?;
            // Some file systems let go of blocks only once that is on the disk.
            file.sync_data().map_err(E::unsynced)?;
            done = write();
        }
        tracing::info!(
            file = %self.path.display(), had, given_up = had - left,
            "the disk is full, reserved space was drawn on"
        );
        // Also in vain: nobody else is to find what was given up.
        if matches!(&done, Err(error) if !error.is_full()) {
            return done;
        }
        grow(file.as_ref(), left, had)?;
        done
    }
}

/// Writes to a file that has `from` bytes until it has `bytes`, or the disk is full.
fn grow(file: &dyn DiskFile, from: u64, bytes: u64) -> io::Result<()> {
    let mut at = from;
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    while at < bytes {
        let left = usize::try_from(bytes - at).unwrap_or(usize::MAX);
        noise(at, left.min(PIECE_BYTES), &mut piece);
        match file.write_all_at(at, &piece) {
            Err(error) if is_full(&error) => return Ok(()),
            written => written?,
        }
        at += piece.len() as u64;
    }
    Ok(())
}

/// Bytes that no file system stores in less room than they take (splitmix64 over their place).
fn noise(at: u64, bytes: usize, into: &mut Vec<u8>) {
    into.clear();
    for place in (at..).step_by(8).take(bytes.div_ceil(8)) {
        let mut mixed = place.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        into.extend_from_slice(&(mixed ^ (mixed >> 31)).to_be_bytes());
    }
    into.truncate(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    fn full() -> io::Error {
        io::Error::from_raw_os_error(28)
    }

    fn reserve(bytes: u64) -> (tempfile::TempDir, Reserve) {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::new(Arc::new(RealDisk), folder.path());
        assert_eq!(reserve.fill(bytes).unwrap(), bytes);
        (folder, reserve)
    }

    fn bytes_of(reserve: &Reserve) -> u64 {
        std::fs::metadata(&reserve.path).unwrap().len()
    }

    #[test]
    fn a_write_that_has_room_touches_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::new(Arc::new(RealDisk), folder.path());
        assert_eq!(reserve.with_room(9, || io::Result::Ok(7)).unwrap(), 7);
        assert!(!reserve.path.exists());
        // Nor does one that has none, when nothing is reserved.
        let error = reserve.with_room(9, || Err::<(), _>(full())).unwrap_err();
        assert!(is_full(&error) && !reserve.path.exists());
    }

    #[test]
    fn blocks_are_given_up_until_the_write_has_room_and_taken_back() {
        let (_folder, reserve) = reserve(100_000);
        let mut seen = Vec::new();
        let done = reserve.with_room(5000, || {
            seen.push(bytes_of(&reserve));
            if seen.len() < 4 { Err(full()) } else { Ok(()) }
        });
        done.unwrap();
        assert_eq!(seen, [100_000, 75_424, 50_848, 26_272]);
        assert_eq!(bytes_of(&reserve), 100_000);
    }

    #[test]
    fn a_write_that_never_has_room_ends() {
        let (_folder, reserve) = reserve(50_000);
        let mut tries = 0;
        let error = reserve
            .with_room(5000, || {
                tries += 1;
                Err::<(), _>(full())
            })
            .unwrap_err();
        assert!(is_full(&error));
        assert_eq!((tries, bytes_of(&reserve)), (4, 50_000));
    }

    #[test]
    fn any_other_error_ends_it_at_once() {
        let (_folder, reserve) = reserve(50_000);
        let mut errors = vec![io::Error::from_raw_os_error(5), full()];
        let error = reserve.with_room(1, || Err::<(), _>(errors.pop().unwrap()));
        assert_eq!(error.unwrap_err().raw_os_error(), Some(5));
        assert!(errors.is_empty());
        // Too many open files, and a file that may not grow: blocks do not help.
        for errno in [24, 27] {
            let mut tries = 0;
            let refused = reserve.with_room(1, || {
                tries += 1;
                Err::<(), _>(io::Error::from_raw_os_error(errno))
            });
            assert_eq!(refused.unwrap_err().raw_os_error(), Some(errno));
            assert_eq!(tries, 1);
        }
    }

    #[test]
    fn a_look_for_room_leaves_it_as_it_was() {
        let (_folder, reserve) = reserve(5000);
        assert!(reserve.has_room_beside(300_000).unwrap());
        assert_eq!(bytes_of(&reserve), 5000);
    }

    #[test]
    fn it_is_brought_to_its_size() {
        let (_folder, reserve) = reserve(170_001);
        assert_eq!(reserve.fill(170_001).unwrap(), 170_001);
        assert_eq!(reserve.fill(70_001).unwrap(), 70_001);
        assert_eq!(reserve.fill(140_000).unwrap(), 140_000);
        let content = std::fs::read(&reserve.path).unwrap();
        let zeros = content.chunks(4096).filter(|it| it.iter().all(|b| *b == 0));
        assert_eq!((content.len(), zeros.count()), (140_000, 0));
    }
}
