//! [`RealDisk`]: the operating system's file system.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use rustix::buffer::spare_capacity;
use rustix::fs::{Advice, FlockOperation};
use rustix::io::Errno;
use trimaran_types::Timestamp;

use super::{Disk, DiskDir, DiskEntry, DiskFile, OpenHow};

/// The operating system's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

#[derive(Debug)]
struct RealFile(File);

#[derive(Debug)]
struct RealDir(File);

impl Disk for RealDisk {
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        match how {
            OpenHow::Existing => {}
            OpenHow::OrCreate => {
                options.create(true).truncate(false);
            }
            OpenHow::Empty => {
                options.create(true).truncate(true);
            }
        }
        Ok(Arc::new(RealFile(options.open(path)?)))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DiskEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            match entry.metadata() {
                Ok(meta) => {
                    entries.push(DiskEntry {
                        name,
                        is_dir: meta.is_dir(),
                        bytes: meta.len(),
                    });
                }
                // Removed since the directory was read: then it is not in it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn open_dir(&self, dir: &Path) -> io::Result<Box<dyn DiskDir>> {
        Ok(Box::new(RealDir(File::open(dir)?)))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl DiskDir for RealDir {
    fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}

impl DiskFile for RealFile {
    fn read_at(&self, position: u64, bytes_max: usize, into: &mut Vec<u8>) -> io::Result<usize> {
        let start = into.len();
        let mut got = 0;
        while got < bytes_max {
            into.reserve_exact(bytes_max - got);
            // Reads into memory that was never zeroed, and perhaps a little past `bytes_max`.
            match rustix::io::pread(&self.0, spare_capacity(into), position + got as u64) {
                Ok(0) => break,
                Ok(_) => got = into.len() - start,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let kept = got.min(bytes_max);
        into.truncate(start + kept);
        Ok(kept)
    }

    fn write_all_at(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, position)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn written_at(&self) -> io::Result<Option<Timestamp>> {
        let since = self.0.metadata()?.modified()?.duration_since(UNIX_EPOCH);
        let ms = since
            .ok()
            .and_then(|since| i64::try_from(since.as_millis()).ok());
        Ok(ms.map(Timestamp))
    }

    fn set_written_at(&self, at: Timestamp) -> io::Result<()> {
        let since = u64::try_from(at.0).ok().map(Duration::from_millis);
        match since.and_then(|since| UNIX_EPOCH.checked_add(since)) {
            Some(time) => self.0.set_modified(time),
            None => Ok(()),
        }
    }

    fn forget_cached(&self) {
        // Advice only: a file system that cannot follow it loses nothing.
        let _ = rustix::fs::fadvise(&self.0, 0, None, Advice::DontNeed);
    }
}
