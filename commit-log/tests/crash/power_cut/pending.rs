//! [`Pending`]: what a power cut may take one by one, and what is left when it takes some of it.

use std::sync::Arc;

use super::{Change, FileState, PAGE_BYTES, PowerCut};
use crate::sim_disk::{Node, Tree};

/// Something that comes through alone, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pending {
    Length(Node),
    Page(Node, usize),
    Name(Node, usize),
}

/// Two that share a fate.
#[derive(Debug)]
pub(super) enum Pair {
    Lost(Pending, Pending),
    Kept(Pending, Pending),
    /// Of all pages, these; and all lengths and names.
    OnlyPages(Pending, Pending),
}

impl Pair {
    pub(super) fn keeps(&self, pending: Pending) -> bool {
        let is_page = matches!(pending, Pending::Page(..));
        match self {
            Self::Lost(a, b) => pending != *a && pending != *b,
            Self::Kept(a, b) => pending == *a || pending == *b,
            Self::OnlyPages(a, b) => !is_page || pending == *a || pending == *b,
        }
    }
}

impl PowerCut {
    /// Writes, one for each page that they touch, changes of lengths and changes of names.
    pub(super) fn pending_operations(&self) -> usize {
        let of_file = |state: &FileState| {
            let mut length = state.synced.len();
            let mut count = 0;
            for change in &state.since {
                let next = match change {
                    Change::Write(at, bytes) => {
                        count += (at + bytes.len() - 1) / PAGE_BYTES - at / PAGE_BYTES + 1;
                        length.max(at + bytes.len())
                    }
                    Change::SetLen(bytes) => *bytes,
                };
                count += usize::from(next != length);
                length = next;
            }
            count
        };
        let names: usize = self.dirs.values().map(|state| state.since.len()).sum();
        names + self.files.values().map(of_file).sum::<usize>()
    }

    pub(super) fn pending(&self) -> Vec<Pending> {
        let mut all = Vec::new();
        for (file, state) in self
            .files
            .iter()
            .filter(|(_, state)| !state.since.is_empty())
        {
            let pages = state.dirty_pages().into_iter();
            all.extend(pages.map(|page| Pending::Page(*file, page)));
            if state.length(state.since.len()) != state.synced.len() {
                all.push(Pending::Length(*file));
            }
        }
        for (dir, state) in &self.dirs {
            all.extend((0..state.since.len()).map(|at| Pending::Name(*dir, at)));
        }
        all
    }

    /// What the disk holds when of all that is pending this comes through, each page and length with
    /// all of its changes or none.
    pub(super) fn leaves_of(&self, keeps: &dyn Fn(Pending) -> bool) -> Tree {
        let mut tree = Tree::default();
        for (file, state) in &self.files {
            let all = state.since.len();
            let content = if all == 0 {
                Arc::clone(&state.synced)
            } else {
                let pages = |page, _| {
                    if keeps(Pending::Page(*file, page)) {
                        all
                    } else {
                        0
                    }
                };
                let length = if keeps(Pending::Length(*file)) {
                    all
                } else {
                    0
                };
                Arc::new(state.content(&pages, length))
            };
            tree.files.insert(*file, content);
        }
        for (dir, state) in &self.dirs {
            let names = state.names(&|at| keeps(Pending::Name(*dir, at)));
            tree.dirs.insert(*dir, names);
        }
        tree
    }
}
