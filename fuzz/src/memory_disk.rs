//! [`MemoryDisk`]: a file system in memory that does what it is asked and nothing more, so that an input
//! costs little and the memory that is measured is that of the code under test.
//!
//! A read reserves as many bytes as it is asked for before it looks how many there are, as the real one
//! does: who asks for more than there is shows in the measure.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use trimaran_commit_log::{Disk, DiskDir, DiskEntry, DiskFile, OpenHow};

/// What a disk holds, by path. Cheap to clone: contents are shared until they are written.
#[derive(Debug, Clone, Default)]
pub struct Tree(BTreeMap<PathBuf, Entry>);

#[derive(Debug, Clone)]
enum Entry {
    Dir,
    File(Arc<Vec<u8>>),
}

impl Tree {
    /// The content of a file.
    pub fn file(&self, path: &Path) -> Option<&[u8]> {
        match self.0.get(path)? {
            Entry::File(content) => Some(content),
            Entry::Dir => None,
        }
    }

    /// The same, to be changed.
    pub fn file_mut(&mut self, path: &Path) -> Option<&mut Vec<u8>> {
        match self.0.get_mut(path)? {
            Entry::File(content) => Some(Arc::make_mut(content)),
            Entry::Dir => None,
        }
    }

    /// Puts a file there, or in the place of another one.
    pub fn put(&mut self, path: &Path, content: Vec<u8>) {
        let content = Entry::File(Arc::new(content));
        self.0.insert(path.to_owned(), content);
    }

    /// Takes a file away.
    pub fn remove(&mut self, path: &Path) {
        self.0.remove(path);
    }

    /// The files right below a directory, by name.
    pub fn files_in(&self, dir: &Path) -> impl Iterator<Item = (&Path, &[u8])> + use<'_> {
        let dir = dir.to_owned();
        let below = self.0.iter().filter(move |it| it.0.parent() == Some(&dir));
        below.filter_map(|(path, entry)| match entry {
            Entry::File(content) => Some((path.as_path(), content.as_slice())),
            Entry::Dir => None,
        })
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> usize {
        let bytes = |entry: &Entry| match entry {
            Entry::File(content) => content.len(),
            Entry::Dir => 0,
        };
        self.0.values().map(bytes).sum()
    }
}

type Content = Arc<Mutex<Arc<Vec<u8>>>>;

#[derive(Debug, Clone)]
enum Node {
    Dir,
    File(Content),
}

/// The disk.
#[derive(Debug, Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<BTreeMap<PathBuf, Node>>>);

#[derive(Debug)]
struct MemoryFile(Content);

#[derive(Debug)]
struct MemoryDir;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl MemoryDisk {
    /// A disk that holds this.
    pub fn holding(tree: Tree) -> Self {
        let node = |(path, entry)| match entry {
            Entry::Dir => (path, Node::Dir),
            Entry::File(content) => (path, Node::File(Arc::new(Mutex::new(content)))),
        };
        Self(Arc::new(Mutex::new(tree.0.into_iter().map(node).collect())))
    }

    /// What it holds now.
    pub fn tree(&self) -> Tree {
        let entry = |(path, node): (&PathBuf, &Node)| match node {
            Node::Dir => (path.clone(), Entry::Dir),
            Node::File(content) => (path.clone(), Entry::File(Arc::clone(&lock(content)))),
        };
        Tree(lock(&self.0).iter().map(entry).collect())
    }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn DiskFile>> {
        let mut nodes = lock(&self.0);
        let content = match (nodes.get(path), how) {
            (Some(Node::Dir), _) => return Err(io::ErrorKind::IsADirectory.into()),
            (Some(Node::File(content)), how) => {
                if how == OpenHow::Empty {
                    *lock(content) = Arc::default();
                }
                Arc::clone(content)
            }
            (None, OpenHow::Existing) => return Err(not_found()),
            (None, _) => {
                let parent = path.parent().and_then(|parent| nodes.get(parent));
                if !matches!(parent, Some(Node::Dir)) {
                    return Err(not_found());
                }
                let content = Content::default();
                nodes.insert(path.to_owned(), Node::File(Arc::clone(&content)));
                content
            }
        };
        Ok(Arc::new(MemoryFile(content)))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut nodes = lock(&self.0);
        for dir in path.ancestors() {
            nodes.entry(dir.to_owned()).or_insert(Node::Dir);
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DiskEntry>> {
        let nodes = lock(&self.0);
        match nodes.get(dir) {
            Some(Node::Dir) => {}
            Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
            None => return Err(not_found()),
        }
        let below = nodes.iter().filter(|it| it.0.parent() == Some(dir));
        let entry = |(path, node): (&PathBuf, &Node)| DiskEntry {
            name: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            is_dir: matches!(node, Node::Dir),
            bytes: match node {
                Node::Dir => 0,
                Node::File(content) => lock(content).len() as u64,
            },
        };
        Ok(below.map(entry).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut nodes = lock(&self.0);
        let node = nodes.remove(from).ok_or_else(not_found)?;
        if matches!(node, Node::Dir) {
            let below: Vec<PathBuf> = nodes
                .keys()
                .filter(|path| path.starts_with(from))
                .cloned()
                .collect();
            for path in below {
                let moved = path.strip_prefix(from).map(|rest| to.join(rest));
                let entry = nodes.remove(&path);
                if let (Ok(moved), Some(entry)) = (moved, entry) {
                    nodes.insert(moved, entry);
                }
            }
        }
        nodes.insert(to.to_owned(), node);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let removed = lock(&self.0).remove(path);
        removed.map(drop).ok_or_else(not_found)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        lock(&self.0).retain(|other, _| !other.starts_with(path));
        Ok(())
    }

    fn open_dir(&self, dir: &Path) -> io::Result<Box<dyn DiskDir>> {
        match lock(&self.0).get(dir) {
            Some(Node::Dir) => Ok(Box::new(MemoryDir)),
            _ => Err(not_found()),
        }
    }

    fn lock(&self, _: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        Ok(Some(Box::new(())))
    }
}

impl DiskDir for MemoryDir {
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

fn place(position: u64) -> io::Result<usize> {
    usize::try_from(position).map_err(|_| io::ErrorKind::InvalidInput.into())
}

impl DiskFile for MemoryFile {
    fn read_at(&self, position: u64, bytes_max: usize, into: &mut Vec<u8>) -> io::Result<usize> {
        into.reserve_exact(bytes_max);
        let content = lock(&self.0);
        let from = content.len().min(place(position)?);
        let end = content.len().min(from.saturating_add(bytes_max));
        into.extend_from_slice(&content[from..end]);
        Ok(end - from)
    }

    fn write_all_at(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let at = place(position)?;
        let mut content = lock(&self.0);
        let content = Arc::make_mut(&mut content);
        let end = at + bytes.len();
        if content.len() < end {
            content.reserve_exact(end - content.len());
            content.resize(end, 0);
        }
        content[at..end].copy_from_slice(bytes);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        let bytes = place(bytes)?;
        Arc::make_mut(&mut lock(&self.0)).resize(bytes, 0);
        Ok(())
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(lock(&self.0).len() as u64)
    }

    fn forget_cached(&self) {}
}
