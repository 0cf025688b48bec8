//! [`PowerCut`]: what a power cut may leave, by what ext4 promises and no more.
//!
//! * `sync_data` keeps the contents and the length that the file then has, and nothing about names.
//! * `sync_dir` keeps the names that the directory then has.
//! * Since then, each page of 4 KiB, alone, shows what any of the later writes left in it, or what
//!   was synced; where it is torn, each sector of 512 bytes does so alone.
//! * The length is one that the file had since then. Lengths are metadata: they come in order, but
//!   not in order with pages. Beyond its pages that came through, a longer file reads as zeros.
//! * Each change of a name since then came through or did not, alone. (ext4 keeps their order;
//!   other systems keep less, so this is stricter.) A rename is atomic.

mod contents;
mod pending;
mod subsets;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(crate) use subsets::{Limits, Subsets, Tried};

use crate::seeded::Seeded;
use crate::sim_disk::{Names, Node, Op, Tree};

const PAGE_BYTES: usize = 4096;
const SECTOR_BYTES: usize = 512;

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Arc<[u8]>),
    SetLen(usize),
}

#[derive(Debug, Clone)]
enum NameChange {
    Put(String, Node),
    Gone(String),
    Moved(String, String, Node),
}

#[derive(Debug, Clone, Default)]
struct FileState {
    synced: Arc<Vec<u8>>,
    since: Vec<Change>,
}

#[derive(Debug, Clone, Default)]
struct DirState {
    synced: Names,
    since: Vec<NameChange>,
}

/// A disk at the moment before the cut.
#[derive(Debug, Clone, Default)]
pub(crate) struct PowerCut {
    files: BTreeMap<Node, FileState>,
    dirs: BTreeMap<Node, DirState>,
}

/// What comes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Survives {
    Nothing,
    Everything,
    /// New lengths without their bytes.
    LengthsOnly,
    /// Bytes without the new lengths.
    PagesOnly,
    NamesOnly,
    AllButNames,
    AllButPage(Node, usize),
    OnlyPage(Node, usize),
    AllButName(Node, usize),
    OnlyName(Node, usize),
    /// By chance; sectors too.
    Some(u64),
}

impl PowerCut {
    pub(crate) fn before_anything(base: &Tree) -> Self {
        let mut cut = Self::default();
        for (file, content) in &base.files {
            cut.files.entry(*file).or_default().synced = Arc::clone(content);
        }
        for (dir, names) in &base.dirs {
            cut.dirs.entry(*dir).or_default().synced = names.clone();
        }
        cut
    }

    /// Takes note of one more change.
    pub(crate) fn after(&mut self, op: &Op) {
        let name_change = |cut: &mut Self, dir: &Node, change| {
            cut.dirs.entry(*dir).or_default().since.push(change);
        };
        match op {
            Op::Write { file, at, bytes } => {
                let change = Change::Write(*at, Arc::clone(bytes));
                self.files.entry(*file).or_default().since.push(change);
            }
            Op::SetLen { file, bytes } => {
                let state = self.files.entry(*file).or_default();
                state.since.push(Change::SetLen(*bytes));
            }
            Op::SyncData { file } => {
                let state = self.files.entry(*file).or_default();
                if !state.since.is_empty() {
                    let count = state.since.len();
                    state.synced = Arc::new(state.content(&|_, _| count, count));
                    state.since.clear();
                }
            }
            Op::SyncFailed { file } => self.files.entry(*file).or_default().since.clear(),
            Op::Make {
                dir,
                name,
                node,
                is_dir,
            } => {
                if *is_dir {
                    self.dirs.entry(*node).or_default();
                } else {
                    self.files.entry(*node).or_default();
                }
                name_change(self, dir, NameChange::Put(name.clone(), *node));
            }
            Op::Unlink { dir, name } => name_change(self, dir, NameChange::Gone(name.clone())),
            Op::Rename {
                dir,
                from,
                to,
                node,
            } => {
                let change = NameChange::Moved(from.clone(), to.clone(), *node);
                name_change(self, dir, change);
            }
            Op::SyncDir { dir } => {
                let state = self.dirs.entry(*dir).or_default();
                state.synced = state.names(&|_| true);
                state.since.clear();
            }
        }
    }

    /// The ways in which the cut may go: the plain ones, every single page and name lost or kept
    /// alone, and some by chance.
    pub(crate) fn ways(&self, chances: usize, random: &mut Seeded) -> Vec<Survives> {
        let mut ways = vec![Survives::Nothing];
        let dirty = |state: &&FileState| !state.since.is_empty();
        let any_file = self.files.values().any(|state| dirty(&state));
        let any_name = self.dirs.values().any(|state| !state.since.is_empty());
        if !any_file && !any_name {
            return ways;
        }
        ways.push(Survives::Everything);
        if any_file {
            ways.extend([Survives::LengthsOnly, Survives::PagesOnly]);
        }
        if any_name && any_file {
            ways.extend([Survives::NamesOnly, Survives::AllButNames]);
        }
        for (file, state) in self.files.iter().filter(|(_, state)| dirty(state)) {
            for page in state.dirty_pages() {
                ways.push(Survives::AllButPage(*file, page));
                ways.push(Survives::OnlyPage(*file, page));
            }
        }
        for (dir, state) in &self.dirs {
            for change in 0..state.since.len() {
                ways.push(Survives::AllButName(*dir, change));
                ways.push(Survives::OnlyName(*dir, change));
            }
        }
        ways.extend((0..chances).map(|_| Survives::Some(random.next())));
        ways
    }

    /// What the disk holds afterwards.
    pub(crate) fn leaves(&self, survives: Survives) -> Tree {
        let mut random = Seeded(match survives {
            Survives::Some(seed) => seed,
            _ => 0,
        });
        let mut tree = Tree::default();
        for (file, state) in &self.files {
            let content = if state.since.is_empty() {
                Arc::clone(&state.synced)
            } else {
                Arc::new(state.left(*file, survives, &mut random))
            };
            tree.files.insert(*file, content);
        }
        for (dir, state) in &self.dirs {
            let lucky: Vec<bool> = state.since.iter().map(|_| random.one_in(2)).collect();
            let names = state.names(&|at| match survives {
                Survives::Nothing
                | Survives::LengthsOnly
                | Survives::PagesOnly
                | Survives::AllButNames => false,
                Survives::AllButName(other, change) => (other, change) != (*dir, at),
                Survives::OnlyName(other, change) => (other, change) == (*dir, at),
                Survives::OnlyPage(..)
                | Survives::Everything
                | Survives::NamesOnly
                | Survives::AllButPage(..) => true,
                Survives::Some(_) => lucky[at],
            });
            tree.dirs.insert(*dir, names);
        }
        tree
    }
}

impl FileState {
    fn dirty_pages(&self) -> BTreeSet<usize> {
        let mut pages = BTreeSet::new();
        for change in &self.since {
            if let Change::Write(at, bytes) = change {
                pages.extend(at / PAGE_BYTES..=(at + bytes.len() - 1) / PAGE_BYTES);
            }
        }
        pages
    }

    /// The length after so many of the changes.
    fn length(&self, changes: usize) -> usize {
        let mut length = self.synced.len();
        for change in &self.since[..changes] {
            match change {
                Change::Write(at, bytes) => length = length.max(at + bytes.len()),
                Change::SetLen(bytes) => length = *bytes,
            }
        }
        length
    }

    fn left(&self, file: Node, survives: Survives, random: &mut Seeded) -> Vec<u8> {
        let all = self.since.len();
        match survives {
            Survives::Nothing | Survives::NamesOnly | Survives::OnlyName(..) => {
                self.synced.to_vec()
            }
            Survives::Everything | Survives::AllButNames | Survives::AllButName(..) => {
                self.content(&|_, _| all, all)
            }
            Survives::LengthsOnly => self.content(&|_, _| 0, all),
            Survives::PagesOnly => self.content(&|_, _| all, 0),
            Survives::AllButPage(other, lost) => {
                let keeps = |page| other != file || page != lost;
                self.content(&|page, _| if keeps(page) { all } else { 0 }, all)
            }
            Survives::OnlyPage(other, kept) => {
                let keeps = |page| other == file && page == kept;
                let lengths = if other == file { all } else { 0 };
                self.content(&|page, _| if keeps(page) { all } else { 0 }, lengths)
            }
            Survives::Some(_) => {
                let lengths = random.below(all + 1);
                let (seed, is_torn) = (random.next(), random.one_in(2));
                let chosen = |page: usize, sector: usize| {
                    let sector = if is_torn { sector } else { 0 };
                    Seeded(seed ^ ((page as u64) << 20) ^ sector as u64).below(all + 1)
                };
                self.content(&chosen, lengths)
            }
        }
    }

    /// The content where each sector, named by its page and its number, shows so many of the
    /// changes, and the length shows `lengths` of them.
    fn content(&self, changes: &dyn Fn(usize, usize) -> usize, lengths: usize) -> Vec<u8> {
        let length = self.length(lengths);
        let mut content = self.synced.to_vec();
        content.resize(length.max(content.len()), 0);
        for (number, change) in self.since.iter().enumerate() {
            let (mut at, bytes): (usize, &[u8]) = match change {
                Change::Write(at, bytes) => (*at, bytes),
                // What lies behind a cut reads as zeros from then on.
                Change::SetLen(_) if number >= lengths => continue,
                Change::SetLen(bytes) => {
                    let from = content.len().min(*bytes);
                    content[from..].fill(0);
                    continue;
                }
            };
            let end = (at + bytes.len()).min(content.len());
            let mut from = 0;
            while at < end {
                let stop = ((at / SECTOR_BYTES + 1) * SECTOR_BYTES).min(end);
                if number < changes(at / PAGE_BYTES, at % PAGE_BYTES / SECTOR_BYTES) {
                    content[at..stop].copy_from_slice(&bytes[from..from + stop - at]);
                }
                from += stop - at;
                at = stop;
            }
        }
        content.truncate(length);
        content
    }
}

impl DirState {
    fn names(&self, survives: &dyn Fn(usize) -> bool) -> Names {
        let mut names = self.synced.clone();
        for (_, change) in self
            .since
            .iter()
            .enumerate()
            .filter(|(at, _)| survives(*at))
        {
            match change {
                NameChange::Put(name, node) => {
                    names.insert(name.clone(), *node);
                }
                NameChange::Gone(name) => {
                    names.remove(name);
                }
                NameChange::Moved(from, to, node) => {
                    names.remove(from);
                    names.insert(to.clone(), *node);
                }
            }
        }
        names
    }
}
