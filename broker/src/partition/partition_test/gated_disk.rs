//! The real disk, whose syncs wait while a gate is closed, whose files take nothing while it is full,
//! and whose directories cannot be opened while descriptors lack.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use trimaran_commit_log::{Disk, DiskDir, DiskEntry, DiskFile, OpenHow, RealDisk};

const PATIENCE: Duration = Duration::from_secs(10);

/// Open at first.
#[derive(Debug, Clone, Default)]
pub(super) struct Gate(Arc<State>);

#[derive(Debug, Default)]
struct State {
    closed: Mutex<bool>,
    opened: Condvar,
    panics: AtomicBool,
    is_full: AtomicBool,
    writes_refused: AtomicUsize,
    /// Directories that can still be opened; `None` when all can.
    dirs_left: Mutex<Option<usize>>,
    dirs_refused: AtomicUsize,
}

impl Gate {
    pub(super) fn close(&self) {
        *self.0.closed.lock().unwrap() = true;
    }

    pub(super) fn open(&self) {
        *self.0.closed.lock().unwrap() = false;
        self.0.opened.notify_all();
    }

    /// From now on whoever writes panics.
    pub(super) fn panic_at_writes(&self) {
        self.0.panics.store(true, Ordering::SeqCst);
    }

    /// From now on there is no room, or room again.
    pub(super) fn fill(&self, is_full: bool) {
        self.0.is_full.store(is_full, Ordering::SeqCst);
    }

    /// How many writes have found no room.
    pub(super) fn writes_refused(&self) -> usize {
        self.0.writes_refused.load(Ordering::SeqCst)
    }

    /// After so many more, no directory can be opened for want of descriptors; `None`: each can.
    pub(super) fn leave_dirs(&self, left: Option<usize>) {
        *self.0.dirs_left.lock().unwrap() = left;
    }

    /// How often that was refused.
    pub(super) fn dirs_refused(&self) -> usize {
        self.0.dirs_refused.load(Ordering::SeqCst)
    }

    fn take_dir(&self) -> io::Result<()> {
        const EMFILE: i32 = 24;
        match &mut *self.0.dirs_left.lock().unwrap() {
            None => Ok(()),
            Some(0) => {
                self.0.dirs_refused.fetch_add(1, Ordering::SeqCst);
                Err(io::Error::from_raw_os_error(EMFILE))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    fn take_bytes(&self) -> io::Result<()> {
        const ENOSPC: i32 = 28;
        match self.0.is_full.load(Ordering::SeqCst) {
            true => {
                self.0.writes_refused.fetch_add(1, Ordering::SeqCst);
                Err(io::Error::from_raw_os_error(ENOSPC))
            }
            false => Ok(()),
        }
    }

    fn pass(&self) {
        let closed = self.0.closed.lock().unwrap();
        // Not for ever, so that a test that fails ends.
        let waited = self
            .0
            .opened
            .wait_timeout_while(closed, PATIENCE, |closed| *closed);
        drop(waited.unwrap());
    }
}

#[derive(Debug)]
pub(super) struct GatedDisk(pub(super) Gate);

#[derive(Debug)]
struct GatedFile(Gate, Arc<dyn DiskFile>);

#[derive(Debug)]
struct GatedDir(Gate, Box<dyn DiskDir>);

impl Disk for GatedDisk {
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn DiskFile>> {
        let file = RealDisk.open(path, how)?;
        Ok(Arc::new(GatedFile(self.0.clone(), file)))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_dir(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DiskEntry>> {
        RealDisk.list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_dir(path)
    }

    fn open_dir(&self, dir: &Path) -> io::Result<Box<dyn DiskDir>> {
        self.0.take_dir()?;
        let dir = RealDisk.open_dir(dir)?;
        Ok(Box::new(GatedDir(self.0.clone(), dir)))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        RealDisk.lock(path)
    }
}

impl DiskDir for GatedDir {
    fn sync(&self) -> io::Result<()> {
        self.0.pass();
        self.1.sync()
    }
}

impl DiskFile for GatedFile {
    fn read_at(&self, position: u64, bytes_max: usize, into: &mut Vec<u8>) -> io::Result<usize> {
        self.1.read_at(position, bytes_max, into)
    }

    fn write_all_at(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        assert!(!self.0.0.panics.load(Ordering::SeqCst), "as the test asked");
        self.0.take_bytes()?;
        self.1.write_all_at(position, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.pass();
        self.1.sync_data()
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.1.truncate(bytes)
    }

    fn bytes(&self) -> io::Result<u64> {
        self.1.bytes()
    }

    fn forget_cached(&self) {
        self.1.forget_cached();
    }
}
