//! [`BadDisk`]: the real file system, of which some files cannot be opened or read, or are synced only
//! when the test lets them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use trimaran_commit_log::{Disk, DiskDir, DiskEntry, DiskFile, OpenHow, RealDisk};

pub(super) const EIO: i32 = 5;
pub(super) const EMFILE: i32 = 24;

/// So long a sync hangs at most, so that a test that fails ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is wrong with the disk now. Files are told by a part of their path.
#[derive(Debug, Default)]
struct Wrong {
    opens: Option<(String, i32)>,
    reads: Option<(String, i32)>,
    hangs: Option<PathBuf>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct BadDisk(Arc<(Mutex<Wrong>, Condvar)>);

#[derive(Debug)]
struct BadFile {
    disk: BadDisk,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
}

impl BadDisk {
    /// From now on such files and directories cannot be opened or listed.
    pub(super) fn refuse_opens(&self, part: &str, errno: i32) {
        self.wrong(|wrong| wrong.opens = Some((part.to_owned(), errno)));
    }

    /// From now on such files can be opened and not read.
    pub(super) fn refuse_reads(&self, part: &str, errno: i32) {
        self.wrong(|wrong| wrong.reads = Some((part.to_owned(), errno)));
    }

    /// From now on this very file is not synced.
    pub(super) fn hang_syncs(&self, path: &Path) {
        self.wrong(|wrong| wrong.hangs = Some(path.to_owned()));
    }

    /// All is well again.
    pub(super) fn repair(&self) {
        self.wrong(|wrong| *wrong = Wrong::default());
    }

    fn wrong(&self, change: impl FnOnce(&mut Wrong)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    fn check(rule: Option<&(String, i32)>, path: &Path) -> io::Result<()> {
        match rule {
            Some((part, errno)) if path.to_str().unwrap().contains(part) => {
                Err(io::Error::from_raw_os_error(*errno))
            }
            _ => Ok(()),
        }
    }

    fn check_open(&self, path: &Path) -> io::Result<()> {
        Self::check(self.0.0.lock().unwrap().opens.as_ref(), path)
    }
}

impl Disk for BadDisk {
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn DiskFile>> {
        self.check_open(path)?;
        Ok(Arc::new(BadFile {
            disk: self.clone(),
            path: path.to_owned(),
            file: RealDisk.open(path, how)?,
        }))
    }

    fn open_dir(&self, dir: &Path) -> io::Result<Box<dyn DiskDir>> {
        self.check_open(dir)?;
        RealDisk.open_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DiskEntry>> {
        self.check_open(dir)?;
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

impl DiskFile for BadFile {
    fn read_at(&self, position: u64, bytes_max: usize, into: &mut Vec<u8>) -> io::Result<usize> {
        BadDisk::check(self.disk.0.0.lock().unwrap().reads.as_ref(), &self.path)?;
        self.file.read_at(position, bytes_max, into)
    }

    fn write_all_at(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(position, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        let (wrong, changed) = &*self.disk.0;
        let hangs = |wrong: &mut Wrong| wrong.hangs.as_ref() == Some(&self.path);
        let waited = changed.wait_timeout_while(wrong.lock().unwrap(), PATIENCE, hangs);
        drop(waited.unwrap());
        self.file.sync_data()
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.file.truncate(bytes)
    }

    fn bytes(&self) -> io::Result<u64> {
        self.file.bytes()
    }

    fn forget_cached(&self) {
        self.file.forget_cached();
    }
}
