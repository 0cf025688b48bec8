//! [`MemoryDisk`]: a file system in memory that knows what was synced, and has a clock of its own.
//!
//! A power cut loses the unsynced names of a folder, or none, and the unsynced bytes of a file, or none: some of what
//! a disk may do, for many orders of operations; `tests/crash` tries all of it, for few. Folders stay.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use trimaran_commit_log::{Disk, DiskDir, DiskEntry, DiskFile, OpenHow};
use trimaran_types::Timestamp;

/// What a power cut takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Loss {
    /// Names that are not synced.
    pub(super) names: bool,
    /// Bytes that are not synced, of each file whose bit is set; files are counted by their names.
    pub(super) files: u64,
}

impl Loss {
    /// That of a process which dies alone.
    pub(super) const NOTHING: Self = Self {
        names: false,
        files: 0,
    };
}

#[derive(Debug, Default)]
struct Content {
    live: Vec<u8>,
    synced: Vec<u8>,
    written_at: i64,
}

type Shared = Arc<Mutex<Content>>;
type Names = BTreeMap<String, Shared>;

#[derive(Debug, Default)]
struct Folder {
    live: Names,
    synced: Names,
}

#[derive(Debug, Clone, Default)]
pub(super) struct MemoryDisk {
    folders: Arc<Mutex<BTreeMap<PathBuf, Folder>>>,
    now: Arc<AtomicI64>,
}

#[derive(Debug)]
struct MemoryFile {
    content: Shared,
    now: Arc<AtomicI64>,
}

#[derive(Debug)]
struct MemoryDir(MemoryDisk, PathBuf);

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

fn split(path: &Path) -> (&Path, &str) {
    let name = path.file_name().unwrap().to_str().unwrap();
    (path.parent().unwrap(), name)
}

impl MemoryDisk {
    /// An empty one, whose clock stands at `now`.
    pub(super) fn at(now: Timestamp) -> Self {
        let disk = Self::default();
        disk.now.store(now.0, Ordering::SeqCst);
        disk
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }

    pub(super) fn pass(&self, ms: i64) {
        self.now.fetch_add(ms, Ordering::SeqCst);
    }

    /// What a power cut leaves, as another disk with a clock of its own.
    pub(super) fn after(&self, loss: Loss) -> Self {
        let left = Self::at(self.now());
        let mut number = 0;
        for (path, folder) in &*self.lock() {
            let names = if loss.names {
                &folder.synced
            } else {
                &folder.live
            };
            let mut kept = Names::new();
            for (name, content) in names {
                let content = content.lock().unwrap();
                let bytes = match loss.files >> (number % 64) & 1 {
                    0 => &content.live,
                    _ => &content.synced,
                };
                number += 1;
                let content = Content {
                    live: bytes.clone(),
                    synced: bytes.clone(),
                    written_at: content.written_at,
                };
                kept.insert(name.clone(), Arc::new(Mutex::new(content)));
            }
            let folder = Folder {
                live: kept.clone(),
                synced: kept,
            };
            left.lock().insert(path.clone(), folder);
        }
        left
    }

    /// Name, bytes and last writing of each file in a folder that ends like this.
    pub(super) fn files(&self, folder: &Path, suffix: &str) -> Vec<(String, Vec<u8>, Timestamp)> {
        let folders = self.lock();
        let named = folders[folder].live.iter();
        named
            .filter(|(name, _)| name.ends_with(suffix))
            .map(|(name, content)| {
                let content = content.lock().unwrap();
                let written_at = Timestamp(content.written_at);
                (name.clone(), content.live.clone(), written_at)
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Folder>> {
        self.folders.lock().unwrap()
    }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn DiskFile>> {
        let (dir, name) = split(path);
        let mut folders = self.lock();
        let folder = folders.get_mut(dir).ok_or_else(not_found)?;
        let content = match folder.live.get(name) {
            Some(content) => Arc::clone(content),
            None if how == OpenHow::Existing => return Err(not_found()),
            None => Arc::clone(folder.live.entry(name.to_owned()).or_default()),
        };
        let now = Arc::clone(&self.now);
        let file = MemoryFile { content, now };
        if how == OpenHow::Empty {
            file.truncate(0)?;
        }
        Ok(Arc::new(file))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut folders = self.lock();
        for dir in path.ancestors() {
            folders.entry(dir.to_owned()).or_default();
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DiskEntry>> {
        let folders = self.lock();
        let folder = folders.get(dir).ok_or_else(not_found)?;
        let files = folder.live.iter().map(|(name, content)| DiskEntry {
            name: name.clone(),
            is_dir: false,
            bytes: content.lock().unwrap().live.len() as u64,
        });
        let inside = folders.keys().filter(|path| path.parent() == Some(dir));
        let dirs = inside.map(|path| DiskEntry {
            name: split(path).1.to_owned(),
            is_dir: true,
            bytes: 0,
        });
        Ok(files.chain(dirs).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let ((dir, from), (to_dir, to)) = (split(from), split(to));
        assert_eq!(dir, to_dir, "names never move between folders");
        let mut folders = self.lock();
        let names = &mut folders.get_mut(dir).ok_or_else(not_found)?.live;
        let content = names.remove(from).ok_or_else(not_found)?;
        names.insert(to.to_owned(), content);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let (dir, name) = split(path);
        let mut folders = self.lock();
        let names = &mut folders.get_mut(dir).ok_or_else(not_found)?.live;
        names.remove(name).map(drop).ok_or_else(not_found)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.lock().retain(|folder, _| !folder.starts_with(path));
        Ok(())
    }

    fn open_dir(&self, dir: &Path) -> io::Result<Box<dyn DiskDir>> {
        self.lock().get(dir).ok_or_else(not_found)?;
        Ok(Box::new(MemoryDir(self.clone(), dir.to_owned())))
    }

    fn lock(&self, _: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        Ok(Some(Box::new(())))
    }
}

impl DiskDir for MemoryDir {
    fn sync(&self) -> io::Result<()> {
        let mut folders = self.0.lock();
        let folder = folders.get_mut(&self.1).ok_or_else(not_found)?;
        folder.synced = folder.live.clone();
        Ok(())
    }
}

impl MemoryFile {
    fn change(&self) -> MutexGuard<'_, Content> {
        let mut content = self.content.lock().unwrap();
        content.written_at = self.now.load(Ordering::SeqCst);
        content
    }
}

impl DiskFile for MemoryFile {
    fn read_at(&self, position: u64, bytes_max: usize, into: &mut Vec<u8>) -> io::Result<usize> {
        let content = self.content.lock().unwrap();
        let from = usize::try_from(position).unwrap().min(content.live.len());
        let end = from.saturating_add(bytes_max).min(content.live.len());
        into.extend_from_slice(&content.live[from..end]);
        Ok(end - from)
    }

    fn write_all_at(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        let mut content = self.change();
        let at = usize::try_from(position).unwrap();
        let end = at + bytes.len();
        if content.live.len() < end {
            content.live.resize(end, 0);
        }
        content.live[at..end].copy_from_slice(bytes);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut content = self.content.lock().unwrap();
        content.synced = content.live.clone();
        Ok(())
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        let bytes = usize::try_from(bytes).unwrap();
        self.change().live.resize(bytes, 0);
        Ok(())
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(self.content.lock().unwrap().live.len() as u64)
    }

    fn written_at(&self) -> io::Result<Option<Timestamp>> {
        Ok(Some(Timestamp(self.content.lock().unwrap().written_at)))
    }

    fn set_written_at(&self, at: Timestamp) -> io::Result<()> {
        self.content.lock().unwrap().written_at = at.0;
        Ok(())
    }

    fn forget_cached(&self) {}
}
