//! [`FewDescriptors`]: the real file system in a process that may have so many files open and no more.
//! Nothing is synced: no test here cuts the power.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use trimaran_commit_log::{Disk, DiskDir, DiskEntry, DiskFile, OpenHow, RealDisk};

/// How many files there may be, and are.
#[derive(Debug)]
pub(crate) struct Limit {
    /// Opens that still succeed, whatever is closed meanwhile.
    opens_left: AtomicUsize,
    held_max: AtomicUsize,
    held: AtomicUsize,
    held_most: AtomicUsize,
}

impl Default for Limit {
    fn default() -> Self {
        Self {
            opens_left: AtomicUsize::new(usize::MAX),
            held_max: AtomicUsize::new(usize::MAX),
            held: AtomicUsize::new(0),
            held_most: AtomicUsize::new(0),
        }
    }
}

impl Limit {
    /// After so many, no open succeeds.
    pub(crate) fn opens(&self, left: usize) {
        self.opens_left.store(left, Ordering::SeqCst);
    }

    /// No more may be open at once than now are, and so many.
    pub(crate) fn more_at_once(&self, more: usize) {
        let held = self.held.load(Ordering::SeqCst);
        self.held_max.store(held + more, Ordering::SeqCst);
    }

    /// How many are open.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }

    /// How many were open at once.
    pub(crate) fn held_most(&self) -> usize {
        self.held_most.load(Ordering::SeqCst)
    }

    fn take(self: &Arc<Self>) -> io::Result<Held> {
        const EMFILE: i32 = 24;
        let refused = || io::Error::from_raw_os_error(EMFILE);
        if self.held.load(Ordering::SeqCst) >= self.held_max.load(Ordering::SeqCst) {
            return Err(refused());
        }
        let left = self.opens_left.load(Ordering::SeqCst);
        self.opens_left
            .store(left.checked_sub(1).ok_or_else(refused)?, Ordering::SeqCst);
        let held = self.held.fetch_add(1, Ordering::SeqCst) + 1;
        self.held_most.fetch_max(held, Ordering::SeqCst);
        Ok(Held(Arc::clone(self)))
    }
}

#[derive(Debug)]
struct Held(Arc<Limit>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Debug, Default)]
pub(crate) struct FewDescriptors(pub(crate) Arc<Limit>);

#[derive(Debug)]
struct HeldFile(
    Arc<dyn DiskFile>,
    #[expect(dead_code, reason = "held")] Held,
);

#[derive(Debug)]
struct HeldDir(#[expect(dead_code, reason = "held")] Held);

impl Disk for FewDescriptors {
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn DiskFile>> {
        // As the system does: a file that is not opened is not made either.
        let held = self.0.take()?;
        Ok(Arc::new(HeldFile(RealDisk.open(path, how)?, held)))
    }

    fn open_dir(&self, dir: &Path) -> io::Result<Box<dyn DiskDir>> {
        let held = self.0.take()?;
        RealDisk.open_dir(dir)?;
        Ok(Box::new(HeldDir(held)))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DiskEntry>> {
        self.0.take()?;
        RealDisk.list(dir)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_dir(path)
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

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        RealDisk.lock(path)
    }
}

impl DiskFile for HeldFile {
    fn read_at(&self, position: u64, bytes_max: usize, into: &mut Vec<u8>) -> io::Result<usize> {
        self.0.read_at(position, bytes_max, into)
    }

    fn write_all_at(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(position, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.0.truncate(bytes)
    }

    fn bytes(&self) -> io::Result<u64> {
        self.0.bytes()
    }

    fn forget_cached(&self) {
        self.0.forget_cached();
    }
}

impl DiskDir for HeldDir {
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
