//! [`Copied`]: a disk on which a start can be rehearsed. What is done to it stays in memory, page by
//! page; the disk beneath is read and never changed.
//!
//! The pages have a bound, and over it the copy is full, as a disk may be. Only files are copied: it
//! makes no folder, renames and removes none, and takes no lock.

mod content;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use content::{Content, PagesLeft};

use crate::disk::{Disk, DiskDir, DiskEntry, DiskFile, OpenHow};
use crate::names::SegmentFile;

/// `None` is a name that is gone.
type Names = BTreeMap<PathBuf, Option<Arc<Content>>>;

/// A disk over another one.
#[derive(Debug)]
pub(crate) struct Copied {
    beneath: Arc<dyn Disk>,
    /// Every file that was opened or changed.
    names: Mutex<Names>,
    pages: Arc<PagesLeft>,
}

impl Copied {
    /// A copy of `beneath` that keeps at most `bytes_max` bytes of what is written.
    pub(crate) fn over(beneath: Arc<dyn Disk>, bytes_max: u64) -> Self {
        Self {
            beneath,
            names: Mutex::default(),
            pages: Arc::new(PagesLeft::of_bytes(bytes_max)),
        }
    }

    /// Shows files that were opened and not changed as they are now: beside a broker they grow and go.
    pub(crate) fn forget_unchanged(&self) {
        self.names().retain(|path, content| {
            content
                .as_ref()
                .is_none_or(|content| content.beneath() != Some(path) || content.is_changed())
        });
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that were written to the segments in `dir`.
    pub(crate) fn written_to_segments_of(&self, dir: &Path) -> u64 {
        let names = self.names();
        let segments = names.iter().filter(|(path, _)| {
            let name = path.file_name().and_then(|name| name.to_str());
            let kind = name.and_then(SegmentFile::parse);
            path.parent() == Some(dir) && matches!(kind, Some((SegmentFile::Log, _)))
        });
        let contents = segments.filter_map(|(_, content)| content.as_ref());
        contents.map(|content| content.written_bytes()).sum()
    }

    /// The file's content; an error if there is no such file.
    fn existing(&self, names: &mut Names, path: &Path) -> io::Result<Arc<Content>> {
        match names.get(path) {
            Some(Some(content)) => return Ok(Arc::clone(content)),
            Some(None) => return Err(io::ErrorKind::NotFound.into()),
            None => {}
        }
        let bytes = self.beneath.open(path, OpenHow::Existing)?.bytes()?;
        let content = Arc::new(Content::over(path, bytes, Arc::clone(&self.pages)));
        names.insert(path.to_owned(), Some(Arc::clone(&content)));
        Ok(content)
    }
}

fn only_files() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "only files are copied")
}

impl Disk for Copied {
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn DiskFile>> {
        let mut names = self.names();
        let content = match self.existing(&mut names, path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && how != OpenHow::Existing => {
                let content = Arc::new(Content::empty(Arc::clone(&self.pages)));
                names.insert(path.to_owned(), Some(Arc::clone(&content)));
                content
            }
            found => found?,
        };
        drop(names);
        if how == OpenHow::Empty {
            content.truncate(0);
        }
        let beneath = content.beneath().map(|path| {
            // It never goes: what is done to names is done to the copy's.
            self.beneath.open(path, OpenHow::Existing)
        });
        Ok(Arc::new(CopiedFile {
            beneath: beneath.transpose()?,
            content,
        }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.beneath.list(path).map_err(|_| only_files()).map(drop)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DiskEntry>> {
        let entries = self.beneath.list(dir)?;
        let mut entries: BTreeMap<String, DiskEntry> = entries
            .into_iter()
            .map(|entry| (entry.name.clone(), entry))
            .collect();
        for (path, content) in self.names().iter() {
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(name) = name.filter(|_| path.parent() == Some(dir)) else {
                continue;
            };
            match content {
                None => drop(entries.remove(name)),
                Some(content) => {
                    let entry = DiskEntry {
                        name: name.to_owned(),
                        is_dir: false,
                        bytes: content.bytes(),
                    };
                    entries.insert(entry.name.clone(), entry);
                }
            }
        }
        Ok(entries.into_values().collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut names = self.names();
        let content = self.existing(&mut names, from)?;
        names.insert(from.to_owned(), None);
        names.insert(to.to_owned(), Some(content));
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut names = self.names();
        self.existing(&mut names, path)?;
        names.insert(path.to_owned(), None);
        Ok(())
    }

    fn remove_dir(&self, _: &Path) -> io::Result<()> {
        Err(only_files())
    }

    fn open_dir(&self, _: &Path) -> io::Result<Box<dyn DiskDir>> {
        Ok(Box::new(CopiedDir))
    }

    fn lock(&self, _: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        Err(only_files())
    }
}

#[derive(Debug)]
struct CopiedDir;

impl DiskDir for CopiedDir {
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// An open file. Its content outlives it, the open file beneath does not: a log may have more files
/// than may be open at once.
#[derive(Debug)]
struct CopiedFile {
    content: Arc<Content>,
    beneath: Option<Arc<dyn DiskFile>>,
}

impl DiskFile for CopiedFile {
    fn read_at(&self, position: u64, bytes_max: usize, into: &mut Vec<u8>) -> io::Result<usize> {
        self.content
            .read_at(self.beneath.as_deref(), position, bytes_max, into)
    }

    fn write_all_at(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        self.content
            .write_all_at(self.beneath.as_deref(), position, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.content.truncate(bytes);
        Ok(())
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(self.content.bytes())
    }

    fn forget_cached(&self) {}
}

#[cfg(test)]
mod copied_test;
