//! [`SimDisk`]: a file system in memory that records every change, so that a power cut can be
//! played at any point, and that fails the call that it is told to fail, or holds it up.
//!
//! Before a cut it behaves like a file system with a page cache: what was written can be read. What
//! a cut may leave of it is for [`crate::power_cut`] to say.

mod fault;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, mpsc};

use trimaran_commit_log::{Disk, DiskDir, DiskEntry, DiskFile, OpenHow};

use crate::power_cut::{PowerCut, Survives};
use fault::Gate;
pub(crate) use fault::{Fault, GateKeeper, HeldCall};

/// The number of a file or directory; the root is 0.
pub(crate) type Node = usize;

pub(crate) type Names = BTreeMap<String, Node>;

/// A change, as the disk would have it in its journal if it kept one.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Write {
        file: Node,
        at: usize,
        bytes: Arc<[u8]>,
    },
    SetLen {
        file: Node,
        bytes: usize,
    },
    SyncData {
        file: Node,
    },
    /// What was not synced is gone for good, whatever the page cache shows (Rebello et al.).
    SyncFailed {
        file: Node,
    },
    Make {
        dir: Node,
        name: String,
        node: Node,
        is_dir: bool,
    },
    Unlink {
        dir: Node,
        name: String,
    },
    Rename {
        dir: Node,
        from: String,
        to: String,
        node: Node,
    },
    SyncDir {
        dir: Node,
    },
}

/// Contents: files by number, directories by number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree {
    pub(crate) files: BTreeMap<Node, Arc<Vec<u8>>>,
    pub(crate) dirs: BTreeMap<Node, Names>,
}

#[derive(Debug, Default)]
struct Inner {
    /// What it began with; all of it durable.
    base: Tree,
    live: Tree,
    next: Node,
    ops: Vec<Op>,
    calls: usize,
    fault: Option<(usize, Fault)>,
    fault_hit: Option<&'static str>,
    /// It has no more pages than these.
    pages_max: Option<usize>,
    /// Changes before the call that failed.
    ops_before_fault: usize,
    gate: Option<Gate>,
    /// Files of which the page cache shows, as clean, what a failed sync has lost.
    lost: BTreeSet<Node>,
    /// Another process begins, which can have it dropped.
    drops_lost: bool,
    /// Pages that the device cannot read.
    unreadable: BTreeSet<(Node, usize)>,
}

#[derive(Debug, Clone)]
pub(crate) struct SimDisk(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    file: Node,
}

#[derive(Debug)]
struct SimDir {
    disk: SimDisk,
    dir: Node,
}

fn errno(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

const ENOENT: i32 = 2;
const EINTR: i32 = 4;
const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const PAGE_BYTES: usize = 4096;

impl Inner {
    /// The directory of a path and the last name in it.
    fn parent<'a>(&self, path: &'a Path) -> io::Result<(Node, &'a str)> {
        let dir = self.find(path.parent().unwrap())?;
        if !self.live.dirs.contains_key(&dir) {
            return Err(errno(20));
        }
        Ok((dir, path.file_name().unwrap().to_str().unwrap()))
    }

    fn find(&self, path: &Path) -> io::Result<Node> {
        let mut at = 0;
        for part in path.components() {
            if let Component::Normal(name) = part {
                let names = self.live.dirs.get(&at).ok_or_else(|| errno(ENOENT))?;
                let name = name.to_str().unwrap();
                at = *names.get(name).ok_or_else(|| errno(ENOENT))?;
            }
        }
        Ok(at)
    }

    fn segments(&self) -> Vec<Node> {
        let of_log = |names: &Names| -> Vec<Node> {
            let logs = names.iter().filter(|(name, _)| name.ends_with(".log"));
            logs.map(|(_, node)| *node).collect()
        };
        self.live.dirs.values().flat_map(of_log).collect()
    }

    fn make(&mut self, dir: Node, name: &str, is_dir: bool) -> Node {
        let node = self.next;
        self.next += 1;
        if is_dir {
            self.live.dirs.insert(node, Names::new());
        } else {
            self.live.files.insert(node, Arc::default());
        }
        let name = name.to_owned();
        let names = self.live.dirs.get_mut(&dir).unwrap();
        names.insert(name.clone(), node);
        self.ops.push(Op::Make {
            dir,
            name,
            node,
            is_dir,
        });
        node
    }

    /// Pages of the files that have a name.
    fn pages(&self) -> usize {
        let names = self.live.dirs.values().flat_map(BTreeMap::values);
        let files = names.filter_map(|node| self.live.files.get(node));
        files
            .map(|content| content.len().div_ceil(PAGE_BYTES))
            .sum()
    }

    /// How many of `bytes` at `at` there is room for.
    fn fitting(&self, file: Node, at: usize, bytes: usize) -> usize {
        let Some(pages_max) = self.pages_max else {
            return bytes;
        };
        let own = self.live.files[&file].len().div_ceil(PAGE_BYTES);
        let free = pages_max.saturating_sub(self.pages());
        bytes.min(((own + free) * PAGE_BYTES).saturating_sub(at))
    }

    fn content(&mut self, file: Node) -> &mut Vec<u8> {
        Arc::make_mut(self.live.files.get_mut(&file).unwrap())
    }

    fn write(&mut self, file: Node, at: usize, bytes: &[u8]) {
        let content = self.content(file);
        if content.len() < at + bytes.len() {
            content.resize(at + bytes.len(), 0);
        }
        content[at..at + bytes.len()].copy_from_slice(bytes);
        let bytes = Arc::from(bytes);
        self.ops.push(Op::Write { file, at, bytes });
    }

    fn set_len(&mut self, file: Node, bytes: usize) {
        self.content(file).resize(bytes, 0);
        self.ops.push(Op::SetLen { file, bytes });
    }
}

impl SimDisk {
    /// A disk that holds this, durably.
    pub(crate) fn holding(tree: Tree) -> Self {
        let last = tree.files.keys().chain(tree.dirs.keys()).max();
        let next = last.map_or(1, |last| last + 1);
        let mut tree = tree;
        tree.dirs.entry(0).or_default();
        Self(Arc::new(Mutex::new(Inner {
            base: tree.clone(),
            live: tree,
            next,
            ..Inner::default()
        })))
    }

    pub(crate) fn empty() -> Self {
        Self::holding(Tree::default())
    }

    /// What it began with, and all that was done since.
    pub(crate) fn recorded(&self) -> (Tree, Vec<Op>) {
        let inner = self.0.lock().unwrap();
        (inner.base.clone(), inner.ops.clone())
    }

    /// What the page cache shows: what a process that died leaves to the next one.
    pub(crate) fn live(&self) -> Tree {
        self.0.lock().unwrap().live.clone()
    }

    pub(crate) fn ops_count(&self) -> usize {
        self.0.lock().unwrap().ops.len()
    }

    pub(crate) fn calls(&self) -> usize {
        self.0.lock().unwrap().calls
    }

    /// The number of what has this path.
    pub(crate) fn node(&self, path: &Path) -> Option<Node> {
        self.0.lock().unwrap().find(path).ok()
    }

    /// Whether the file is named like a segment.
    pub(crate) fn is_segment(&self, file: Node) -> bool {
        self.0.lock().unwrap().segments().contains(&file)
    }

    /// How many writes to segments there were.
    pub(crate) fn segment_writes(&self) -> usize {
        let inner = self.0.lock().unwrap();
        let segments = inner.segments();
        let is_one = |op: &&Op| matches!(op, Op::Write { file, .. } if segments.contains(file));
        inner.ops.iter().filter(is_one).count()
    }

    /// Has the call of this number, counted from 1, fail.
    pub(crate) fn fail_at(&self, call: usize, fault: Fault) {
        self.0.lock().unwrap().fault = Some((call, fault));
    }

    /// From now on no page is free: what is written anew finds room where something went.
    pub(crate) fn fill_up(&self) {
        self.fill_up_but(0);
    }

    /// The same, but for some pages.
    pub(crate) fn fill_up_but(&self, pages: usize) {
        let mut inner = self.0.lock().unwrap();
        inner.pages_max = Some(inner.pages() + pages);
    }

    /// From now on files whose cache is to be forgotten show what a failed sync has left on the disk. Before
    /// that, readers in the process that has seen the failure find what it had written.
    pub(crate) fn begin_next_process(&self) {
        self.0.lock().unwrap().drops_lost = true;
    }

    /// From now on there is room again.
    pub(crate) fn make_room(&self) {
        self.0.lock().unwrap().pages_max = None;
    }

    /// From now on the device cannot read a page of a file.
    pub(crate) fn spoil(&self, path: &Path, page: usize) {
        let mut inner = self.0.lock().unwrap();
        let file = inner.find(path).unwrap();
        inner.unreadable.insert((file, page));
    }

    /// Has the call of this number wait, and tell so, until the keeper is dropped.
    pub(crate) fn hold_at(&self, call: usize, entered: mpsc::Sender<HeldCall>) -> GateKeeper {
        self.hold(call, Fault::Slow, entered)
    }

    /// The same, of a sync, when it has done what it should.
    pub(crate) fn hold_behind(&self, call: usize, entered: mpsc::Sender<HeldCall>) -> GateKeeper {
        self.hold(call, Fault::Late, entered)
    }

    fn hold(&self, call: usize, fault: Fault, entered: mpsc::Sender<HeldCall>) -> GateKeeper {
        let is_open = Arc::new((Mutex::new(false), Condvar::new()));
        let keeper = GateKeeper(Arc::clone(&is_open));
        let mut inner = self.0.lock().unwrap();
        inner.fault = Some((call, fault));
        inner.gate = Some(Gate { entered, is_open });
        keeper
    }

    /// Counts a call, and tells what goes wrong with it if it is its turn.
    fn call(
        &self,
        name: &'static str,
        target: Option<&Path>,
    ) -> (MutexGuard<'_, Inner>, Option<Fault>) {
        let mut inner = self.0.lock().unwrap();
        inner.calls += 1;
        let fault = match inner.fault {
            Some((at, fault)) if at == inner.calls => fault,
            _ => return (inner, None),
        };
        inner.fault_hit = Some(name);
        inner.ops_before_fault = inner.ops.len();
        if fault != Fault::Slow {
            return (inner, Some(fault));
        }
        let gate = inner.gate.clone().unwrap();
        drop(inner);
        let target = target.map(Path::to_owned);
        gate.pass(HeldCall { name, target });
        (self.0.lock().unwrap(), None)
    }

    fn plain_call(&self, name: &'static str) -> io::Result<MutexGuard<'_, Inner>> {
        plain(self.call(name, None))
    }

    /// Changes since a call failed, that of the call included if it made one.
    pub(crate) fn ops_since_fault(&self) -> Vec<Op> {
        let inner = self.0.lock().unwrap();
        inner.ops[inner.ops_before_fault..].to_vec()
    }

    /// The name of the call that failed.
    pub(crate) fn failed_call(&self) -> Option<&'static str> {
        self.0.lock().unwrap().fault_hit
    }
}

/// A call that can only fail as a whole.
fn plain(
    (inner, fault): (MutexGuard<'_, Inner>, Option<Fault>),
) -> io::Result<MutexGuard<'_, Inner>> {
    match fault {
        Some(Fault::Errno(code) | Fault::Short(code)) => Err(errno(code)),
        Some(Fault::Killed) => Err(errno(EINTR)),
        Some(Fault::Slow | Fault::Late) | None => Ok(inner),
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn DiskFile>> {
        let mut inner = self.plain_call("open")?;
        let (dir, name) = inner.parent(path)?;
        let found = inner.live.dirs[&dir].get(name).copied();
        let file = match (found, how) {
            (None, OpenHow::Existing) => return Err(errno(ENOENT)),
            (None, _) => inner.make(dir, name, false),
            (Some(file), OpenHow::Empty) => {
                inner.set_len(file, 0);
                file
            }
            (Some(file), _) => file,
        };
        let disk = self.clone();
        Ok(Arc::new(SimFile { disk, file }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.plain_call("create_dir")?;
        let mut at = 0;
        for part in path.components() {
            if let Component::Normal(name) = part {
                let name = name.to_str().unwrap();
                at = match inner.live.dirs[&at].get(name) {
                    Some(found) => *found,
                    None => inner.make(at, name, true),
                };
            }
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DiskEntry>> {
        let inner = self.plain_call("list")?;
        let dir = inner.find(dir)?;
        let names = inner.live.dirs[&dir].iter();
        let entry = |(name, node): (&String, &Node)| DiskEntry {
            name: name.clone(),
            is_dir: inner.live.dirs.contains_key(node),
            bytes: inner.live.files.get(node).map_or(0, |f| f.len() as u64),
        };
        Ok(names.map(entry).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = plain(self.call("rename", Some(to)))?;
        let (dir, from) = inner.parent(from)?;
        let (to_dir, to) = inner.parent(to)?;
        assert_eq!(dir, to_dir, "names never move between directories");
        let names = inner.live.dirs.get_mut(&dir).unwrap();
        let node = names.remove(from).ok_or_else(|| errno(ENOENT))?;
        names.insert(to.to_owned(), node);
        let (from, to) = (from.to_owned(), to.to_owned());
        inner.ops.push(Op::Rename {
            dir,
            from,
            to,
            node,
        });
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.plain_call("remove_file")?;
        let (dir, name) = inner.parent(path)?;
        let names = inner.live.dirs.get_mut(&dir).unwrap();
        names.remove(name).ok_or_else(|| errno(ENOENT))?;
        let name = name.to_owned();
        inner.ops.push(Op::Unlink { dir, name });
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.remove_file(path)
    }

    fn open_dir(&self, dir: &Path) -> io::Result<Box<dyn DiskDir>> {
        let inner = self.plain_call("open_dir")?;
        let dir = inner.find(dir)?;
        let disk = self.clone();
        Ok(Box::new(SimDir { disk, dir }))
    }

    fn lock(&self, _: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        drop(self.plain_call("lock")?);
        Ok(Some(Box::new(())))
    }
}

impl DiskDir for SimDir {
    fn sync(&self) -> io::Result<()> {
        let mut inner = self.disk.plain_call("sync_dir")?;
        let dir = self.dir;
        inner.ops.push(Op::SyncDir { dir });
        Ok(())
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, position: u64, bytes_max: usize, into: &mut Vec<u8>) -> io::Result<usize> {
        let inner = self.disk.plain_call("read_at")?;
        let content = &inner.live.files[&self.file];
        let from = content.len().min(usize::try_from(position).unwrap());
        let end = content.len().min(from.saturating_add(bytes_max));
        let mut pages = from / PAGE_BYTES..end.div_ceil(PAGE_BYTES);
        if from < end && pages.any(|page| inner.unreadable.contains(&(self.file, page))) {
            return Err(errno(EIO));
        }
        into.extend_from_slice(&content[from..end]);
        Ok(end - from)
    }

    fn write_all_at(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        let at = usize::try_from(position).unwrap();
        let (mut inner, fault) = self.disk.call("write_all_at", None);
        match fault {
            None | Some(Fault::Slow | Fault::Late) if bytes.is_empty() => Ok(()),
            None | Some(Fault::Slow | Fault::Late) => {
                let fitting = inner.fitting(self.file, at, bytes.len());
                if fitting > 0 {
                    inner.write(self.file, at, &bytes[..fitting]);
                }
                if fitting < bytes.len() {
                    return Err(errno(ENOSPC));
                }
                Ok(())
            }
            Some(Fault::Errno(code)) => Err(errno(code)),
            Some(Fault::Killed) => Err(errno(EINTR)),
            Some(Fault::Short(code)) => {
                if bytes.len() > 1 {
                    inner.write(self.file, at, &bytes[..bytes.len() / 2]);
                }
                Err(errno(code))
            }
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        let file = self.file;
        let (mut inner, fault) = self.disk.call("sync_data", None);
        if fault == Some(Fault::Killed) {
            return Err(errno(EINTR));
        }
        if let Some(Fault::Errno(code) | Fault::Short(code)) = fault {
            inner.ops.push(Op::SyncFailed { file });
            inner.lost.insert(file);
            return Err(errno(code));
        }
        inner.ops.push(Op::SyncData { file });
        if fault == Some(Fault::Late) {
            let gate = inner.gate.clone().unwrap();
            drop(inner);
            let (name, target) = ("sync_data", None);
            gate.pass(HeldCall { name, target });
        }
        Ok(())
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        let mut inner = self.disk.plain_call("truncate")?;
        inner.set_len(self.file, usize::try_from(bytes).unwrap());
        Ok(())
    }

    fn bytes(&self) -> io::Result<u64> {
        let inner = self.disk.plain_call("bytes")?;
        Ok(inner.live.files[&self.file].len() as u64)
    }

    fn forget_cached(&self) {
        let mut inner = self.disk.0.lock().unwrap();
        if inner.drops_lost && inner.lost.remove(&self.file) {
            let mut cut = PowerCut::before_anything(&inner.base);
            inner.ops.iter().for_each(|op| cut.after(op));
            let mut left = cut.leaves(Survives::Everything);
            let content = left.files.remove(&self.file).unwrap();
            inner.live.files.insert(self.file, content);
        }
    }
}
