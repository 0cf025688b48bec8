//! [`Subsets`]: which of the trees that a power cut may leave are tried, each once.
//!
//! What is pending are writes, page by page, changes of lengths and changes of names. Where the legal
//! subsets of a state leave few enough trees, **all** of them are tried: each page with any number of
//! the writes to it, each length that a file had, each choice of names. Of a larger state: nothing,
//! everything, all lengths, pages or names, each page and name alone lost or alone kept, pairs of
//! them, and some by chance. Torn pages are tried by chance in every state.
//!
//! Trees that differ only in what has no name are the same. A tree that was tried under the same
//! promises is not tried again.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::PowerCut;
use super::contents::{Content, count_up, fingerprint, product};
use super::pending::Pair;
use crate::seeded::Seeded;
use crate::sim_disk::{Names, Node, Tree};

/// Changes of names in one directory of which all choices are tried.
const NAMES_WHOLE_MAX: usize = 14;

/// How much is tried of one state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// All legal subsets are tried if they leave no more trees than this.
    pub(crate) trees_whole_max: usize,
    /// Pairs of pending operations of a larger state, lost together and kept together.
    pub(crate) pairs_max: usize,
    /// Subsets by chance, with torn pages.
    pub(crate) chances: usize,
}

impl Limits {
    /// These, or many more when asked; fewer in a build that is slow.
    fn of_run(self) -> Self {
        if cfg!(debug_assertions) && !crate::is_long() {
            Self {
                trees_whole_max: self.trees_whole_max.min(1 << 5),
                pairs_max: self.pairs_max.min(1),
                chances: self.chances.min(1),
            }
        } else if crate::is_long() {
            Self {
                trees_whole_max: self.trees_whole_max.max(1 << 14),
                pairs_max: usize::MAX,
                chances: self.chances * 8,
            }
        } else {
            self
        }
    }
}

/// What was tried.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tried {
    /// States all of whose legal subsets were tried.
    pub(crate) states_whole: usize,
    /// States of which a choice was tried.
    pub(crate) states_chosen: usize,
    /// The fewest operations that were pending in one of these.
    pub(crate) pending_chosen_min: Option<usize>,
    /// Subsets that left another tree than those before.
    pub(crate) trees: usize,
    /// Subsets that left one that was tried already.
    pub(crate) repeated: usize,
    pub(crate) pairs: usize,
    pub(crate) pairs_left_out: usize,
}

impl Tried {
    pub(crate) fn add(&mut self, other: &Self) {
        self.states_whole += other.states_whole;
        self.states_chosen += other.states_chosen;
        let least = self.pending_chosen_min.into_iter();
        self.pending_chosen_min = least.chain(other.pending_chosen_min).min();
        self.trees += other.trees;
        self.repeated += other.repeated;
        self.pairs += other.pairs;
        self.pairs_left_out += other.pairs_left_out;
    }
}

/// Chooses subsets and remembers which trees it has seen.
pub(crate) struct Subsets {
    limits: Limits,
    random: Seeded,
    /// Under which promises, and the tree's fingerprint.
    seen: HashSet<(usize, u64)>,
    /// Fingerprints of synced contents, which stay the same for long. The content is held, so that
    /// its address is no other's.
    synced: HashMap<usize, (Arc<Vec<u8>>, u64)>,
    pub(crate) tried: Tried,
}

/// What each file may hold.
type Contents = BTreeMap<Node, Vec<Content>>;

/// Named directories, and the files in them that may hold one thing or another.
struct Shape {
    dirs: BTreeMap<Node, Names>,
    dirty: Vec<Node>,
}

/// One of all subsets, to be printed.
struct OneOfAll<'a> {
    dirs: &'a BTreeMap<Node, Names>,
    files: &'a BTreeMap<Node, &'a Content>,
}

impl Debug for OneOfAll<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "names {:?}", self.dirs)?;
        for (node, content) in self.files {
            let (length, pages) = (content.length, &content.pages);
            write!(
                f,
                ", file {node}: length after {length} changes, pages after {pages:?}"
            )?;
        }
        Ok(())
    }
}

/// The fingerprint of what can be reached from the root.
fn fingerprint_of(dirs: &BTreeMap<Node, Names>, of_file: &dyn Fn(Node) -> u64) -> u64 {
    fn walk(
        dirs: &BTreeMap<Node, Names>,
        dir: Node,
        of_file: &dyn Fn(Node) -> u64,
        hasher: &mut DefaultHasher,
    ) {
        for (name, node) in &dirs[&dir] {
            name.hash(hasher);
            if dirs.contains_key(node) {
                1_u8.hash(hasher);
                walk(dirs, *node, of_file, hasher);
            } else {
                of_file(*node).hash(hasher);
            }
        }
        2_u8.hash(hasher);
    }
    let mut hasher = DefaultHasher::new();
    walk(dirs, 0, of_file, &mut hasher);
    hasher.finish()
}

impl Subsets {
    pub(crate) fn new(limits: Limits, seed: u64) -> Self {
        Self {
            limits: limits.of_run(),
            random: Seeded(seed),
            seen: HashSet::new(),
            synced: HashMap::new(),
            tried: Tried::default(),
        }
    }

    /// Calls `on_tree` with each tree that is to be tried of this state and was not tried under the
    /// promises of this number, and with what tells how it came about.
    pub(crate) fn each(
        &mut self,
        cut: &PowerCut,
        promises: usize,
        mut on_tree: impl FnMut(&dyn Debug, Tree),
    ) {
        match self.shapes(cut) {
            Some((shapes, contents)) => {
                self.tried.states_whole += 1;
                for shape in &shapes {
                    self.each_of(cut, promises, shape, &contents, &mut on_tree);
                }
            }
            None => {
                self.tried.states_chosen += 1;
                let pending = cut.pending_operations();
                let least = self.tried.pending_chosen_min.into_iter();
                self.tried.pending_chosen_min = least.chain([pending]).min();
                self.each_pair(cut, promises, &mut on_tree);
            }
        }
        // Where all were tried whole, these add the torn pages.
        for way in cut.ways(self.limits.chances, &mut self.random) {
            let tree = cut.leaves(way);
            self.offer(promises, &way, tree, &mut on_tree);
        }
    }

    /// All directories that a cut may leave and all contents of the files in them; `None` when that
    /// makes too many trees.
    fn shapes(&self, cut: &PowerCut) -> Option<(Vec<Shape>, Contents)> {
        let max = self.limits.trees_whole_max;
        let mut names: BTreeMap<Node, Vec<Names>> = BTreeMap::new();
        for (dir, state) in &cut.dirs {
            let changes = state.since.len();
            if changes > NAMES_WHOLE_MAX {
                return None;
            }
            let all = 0..1_usize << changes;
            let distinct: BTreeSet<Names> = all
                .map(|kept| state.names(&|at| kept >> at & 1 == 1))
                .collect();
            names.insert(*dir, distinct.into_iter().collect());
        }
        if product(names.values().map(Vec::len)) > max {
            return None;
        }
        let mut all_dirs = BTreeSet::new();
        let ends: Vec<usize> = names.values().map(Vec::len).collect();
        let mut places = vec![0; ends.len()];
        loop {
            let chosen: BTreeMap<Node, &Names> = names
                .iter()
                .zip(&places)
                .map(|((dir, all), place)| (*dir, &all[*place]))
                .collect();
            all_dirs.insert(reachable(&chosen));
            if !count_up(&mut places, &ends) {
                break;
            }
        }
        let mut contents = Contents::new();
        let (mut shapes, mut trees) = (Vec::new(), 0_usize);
        for dirs in all_dirs {
            let mut dirty = Vec::new();
            for node in dirs.values().flat_map(BTreeMap::values) {
                let Some(state) = cut.files.get(node).filter(|it| !it.since.is_empty()) else {
                    continue;
                };
                if !contents.contains_key(node) {
                    contents.insert(*node, state.contents(max)?);
                }
                dirty.push(*node);
            }
            trees = trees.saturating_add(product(dirty.iter().map(|node| contents[node].len())));
            if trees > max {
                return None;
            }
            shapes.push(Shape { dirs, dirty });
        }
        Some((shapes, contents))
    }

    fn each_of(
        &mut self,
        cut: &PowerCut,
        promises: usize,
        shape: &Shape,
        contents: &Contents,
        on_tree: &mut impl FnMut(&dyn Debug, Tree),
    ) {
        let clean: BTreeMap<Node, (Arc<Vec<u8>>, u64)> = shape
            .dirs
            .values()
            .flat_map(BTreeMap::values)
            .filter(|node| !shape.dirs.contains_key(*node) && !shape.dirty.contains(*node))
            .map(|node| (*node, self.synced(&cut.files[node].synced)))
            .collect();
        let ends: Vec<usize> = shape
            .dirty
            .iter()
            .map(|node| contents[node].len())
            .collect();
        let mut places = vec![0; ends.len()];
        loop {
            let chosen: BTreeMap<Node, &Content> = shape
                .dirty
                .iter()
                .zip(&places)
                .map(|(node, place)| (*node, &contents[node][*place]))
                .collect();
            let of_file = |node: Node| match chosen.get(&node) {
                Some(content) => content.fingerprint,
                None => clean[&node].1,
            };
            if self.is_new(promises, fingerprint_of(&shape.dirs, &of_file)) {
                let clean = clean.iter().map(|(node, it)| (*node, Arc::clone(&it.0)));
                let dirty = chosen
                    .iter()
                    .map(|(node, it)| (*node, Arc::clone(&it.bytes)));
                let tree = Tree {
                    files: clean.chain(dirty).collect(),
                    dirs: shape.dirs.clone(),
                };
                let one = OneOfAll {
                    dirs: &shape.dirs,
                    files: &chosen,
                };
                on_tree(&one, tree);
            }
            if !count_up(&mut places, &ends) {
                return;
            }
        }
    }

    fn each_pair(
        &mut self,
        cut: &PowerCut,
        promises: usize,
        on_tree: &mut impl FnMut(&dyn Debug, Tree),
    ) {
        let pending = cut.pending();
        let count = pending.len() * pending.len().saturating_sub(1) / 2;
        let max = self.limits.pairs_max;
        self.tried.pairs += count.min(max);
        self.tried.pairs_left_out += count.saturating_sub(max);
        let pairs: Vec<(usize, usize)> = if count <= max {
            let all = (0..pending.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
            all.collect()
        } else {
            let mut chosen = BTreeSet::new();
            while chosen.len() < max {
                let (a, b) = (
                    self.random.below(pending.len()),
                    self.random.below(pending.len()),
                );
                if a > b {
                    chosen.insert((a, b));
                }
            }
            chosen.into_iter().collect()
        };
        for (a, b) in pairs {
            let (a, b) = (pending[a], pending[b]);
            for pair in [Pair::Lost(a, b), Pair::Kept(a, b), Pair::OnlyPages(a, b)] {
                let tree = cut.leaves_of(&|pending| pair.keeps(pending));
                self.offer(promises, &pair, tree, on_tree);
            }
        }
    }

    fn offer(
        &mut self,
        promises: usize,
        way: &dyn Debug,
        tree: Tree,
        on_tree: &mut impl FnMut(&dyn Debug, Tree),
    ) {
        let fingerprints: BTreeMap<Node, u64> = tree
            .files
            .iter()
            .map(|(node, content)| (*node, self.fingerprint_in(content)))
            .collect();
        let print = fingerprint_of(&tree.dirs, &|node| fingerprints[&node]);
        if self.is_new(promises, print) {
            on_tree(way, tree);
        }
    }

    fn is_new(&mut self, promises: usize, fingerprint: u64) -> bool {
        let is_new = self.seen.insert((promises, fingerprint));
        if is_new {
            self.tried.trees += 1;
        } else {
            self.tried.repeated += 1;
        }
        is_new
    }

    /// Only synced contents are worth remembering: those of a choice are made for it alone.
    fn fingerprint_in(&self, content: &Arc<Vec<u8>>) -> u64 {
        let known = self.synced.get(&Arc::as_ptr(content).addr());
        known.map_or_else(|| fingerprint(content), |known| known.1)
    }

    fn synced(&mut self, content: &Arc<Vec<u8>>) -> (Arc<Vec<u8>>, u64) {
        let known = self.synced.entry(Arc::as_ptr(content).addr());
        let known = known.or_insert_with(|| (Arc::clone(content), fingerprint(content)));
        (Arc::clone(&known.0), known.1)
    }
}

/// What can be reached from the root, with its names.
fn reachable(dirs: &BTreeMap<Node, &Names>) -> BTreeMap<Node, Names> {
    let mut found = BTreeMap::new();
    let mut next = vec![0];
    while let Some(dir) = next.pop() {
        let names = dirs[&dir];
        next.extend(names.values().filter(|node| dirs.contains_key(*node)));
        found.insert(dir, names.clone());
    }
    found
}
