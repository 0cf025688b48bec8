//! [`OpenFiles`]: a bounded set of open files of segments that are not being written.
//!
//! Keyed by the segment's number in this process, not by its name: a segment that was removed and
//! made again under the same name is another one, and a reader that was late cannot mix them up.
//!
//! Which one goes when another is opened is found by the clock algorithm: a hand goes round, passes
//! over what was used since it came by last, and closes the first that was not. So a hit sets a
//! flag, and finding room takes constant time on the average, however many files there are.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use crate::disk::{Disk, DiskFile, OpenHow};
use crate::names::SegmentFile;

/// The number of a segment, drawn once for every segment that this process opens or makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SegmentId(u64);

type Key = (SegmentId, SegmentFile);

/// Open files, at most a given number.
#[derive(Debug)]
pub struct OpenFiles {
    files_max: usize,
    last_id: AtomicU64,
    cached: Mutex<Cached>,
}

#[derive(Debug, Default)]
struct Cached {
    files: HashMap<Key, Cell>,
    /// Every key of `files` once, in the order in which the hand comes by; and perhaps some that
    /// were forgotten meanwhile.
    round: VecDeque<Key>,
}

#[derive(Debug)]
struct Cell {
    file: Arc<dyn DiskFile>,
    /// Since the hand, or a look for idle files, came by.
    was_used: bool,
}

impl OpenFiles {
    /// Keeps at most `files_max` files open.
    #[must_use]
    pub fn new(files_max: usize) -> Self {
        Self {
            files_max: files_max.max(1),
            last_id: AtomicU64::new(0),
            cached: Mutex::new(Cached::default()),
        }
    }

    /// How many files are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.lock().files.len()
    }

    /// Closes the files that were not used since the last call.
    pub fn close_idle(&self) {
        let mut cached = self.lock();
        let Cached { files, round } = &mut *cached;
        files.retain(|_, cell| std::mem::take(&mut cell.was_used));
        round.retain(|key| files.contains_key(key));
    }

    /// Opens something; where the process has no descriptor left, once more after all that the set
    /// holds were closed. What is in use elsewhere stays open.
    ///
    /// # Errors
    /// Those of the last try.
    pub(crate) fn make_way<T>(&self, open: impl Fn() -> io::Result<T>) -> io::Result<T> {
        match open() {
            Err(error) if lacks_descriptor(&error) && self.close_all() => open(),
            opened => opened,
        }
    }

    /// Closes all files; whether there were any.
    fn close_all(&self) -> bool {
        let closed = std::mem::take(&mut *self.lock());
        !closed.files.is_empty()
    }

    /// A number that no other segment has.
    pub(crate) fn next_id(&self) -> SegmentId {
        SegmentId(self.last_id.fetch_add(1, Ordering::Relaxed))
    }

    /// The open file of a segment, opened now if it was not.
    pub(crate) fn get(
        &self,
        disk: &dyn Disk,
        key: Key,
        path: &Path,
        how: OpenHow,
    ) -> io::Result<Arc<dyn DiskFile>> {
        if let Some(cell) = self.lock().files.get_mut(&key) {
            cell.was_used = true;
            return Ok(Arc::clone(&cell.file));
        }
        // Opened outside the lock: a slow disk holds up only those who need this file.
        let file = self.make_way(|| disk.open(path, how))?;
        self.lock().add(key, Arc::clone(&file), self.files_max);
        Ok(file)
    }

    /// Closes the files of a segment that is gone.
    pub(crate) fn forget(&self, id: SegmentId) {
        let mut cached = self.lock();
        for kind in SegmentFile::ALL {
            cached.files.remove(&(id, kind));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Cached> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the process, or the system, has as many files open as it may.
pub(crate) fn lacks_descriptor(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(|errno| errno == Errno::MFILE || errno == Errno::NFILE)
}

impl Cached {
    fn add(&mut self, key: Key, file: Arc<dyn DiskFile>, files_max: usize) {
        let cell = Cell {
            file,
            was_used: true,
        };
        // Somebody else may have opened it meanwhile; or it was forgotten and its key is still there.
        let is_new = self.files.insert(key, cell).is_none();
        while self.files.len() > files_max {
            self.close_one();
        }
        if is_new {
            self.round.push_back(key);
        }
        // Forgotten keys may pile up while nothing has to be closed.
        if self.round.len() > 2 * files_max {
            let mut left: HashMap<Key, ()> = self.files.keys().map(|key| (*key, ())).collect();
            self.round.retain(|key| left.remove(key).is_some());
        }
    }

    /// The hand goes on to the first file that was not used since it came by.
    fn close_one(&mut self) {
        while let Some(key) = self.round.pop_front() {
            match self.files.get_mut(&key) {
                Some(cell) if cell.was_used => {
                    cell.was_used = false;
                    self.round.push_back(key);
                }
                Some(_) => {
                    self.files.remove(&key);
                    return;
                }
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    struct Rig {
        folder: tempfile::TempDir,
        files: OpenFiles,
    }

    impl Rig {
        fn new(files_max: usize) -> Self {
            Self {
                folder: tempfile::tempdir().unwrap(),
                files: OpenFiles::new(files_max),
            }
        }

        /// Whether the file was open already.
        fn get(&self, number: u64) -> bool {
            let path = self.folder.path().join(number.to_string());
            let key = (SegmentId(number), SegmentFile::Log);
            let was_open = self.files.lock().files.contains_key(&key);
            self.files
                .get(&RealDisk, key, &path, OpenHow::OrCreate)
                .unwrap();
            assert!(self.files.open() <= self.files.files_max);
            assert!(self.files.lock().round.len() <= 2 * self.files.files_max);
            was_open
        }
    }

    #[test]
    fn what_is_used_stays_and_the_rest_goes_in_turn() {
        let rig = Rig::new(4);
        assert!((0..4).all(|number| !rig.get(number)));
        // One more: the hand clears all flags and closes the first.
        assert!(!rig.get(4));
        assert!(rig.get(1), "1 is used again");
        assert!(!rig.get(5));
        assert!(rig.get(1));
        assert!(!rig.get(6));
        assert!(rig.get(1), "the hand passes over what is used");
        assert!(!rig.get(2) && !rig.get(3), "the others went");
    }

    #[test]
    fn what_is_forgotten_or_idle_is_closed() {
        let rig = Rig::new(3);
        for number in 0..100 {
            rig.get(number);
            rig.files.forget(SegmentId(number));
            rig.get(number);
        }
        assert_eq!(rig.files.open(), 3);
        rig.files.close_idle();
        assert_eq!(rig.files.open(), 3, "used since the last look");
        assert!(rig.get(99));
        rig.files.close_idle();
        assert_eq!(rig.files.open(), 1);
        assert!(rig.get(99) && !rig.get(98));
        rig.files.close_idle();
        rig.files.close_idle();
        assert_eq!((rig.files.open(), rig.files.lock().round.len()), (0, 0));
    }
}
