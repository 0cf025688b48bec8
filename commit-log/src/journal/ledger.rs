//! [`Ledger`]: which logs have bytes in the journal, and which files are not synced because of that.
//!
//! A file is in the ledger of a half while the half has bytes of it that may be on the disk nowhere
//! else. It goes when a sync of it that began after the last of them was noted has succeeded.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::entry::Entry;
use crate::disk::DiskFile;

/// A file whose bytes in the journal may be on the disk nowhere else.
#[derive(Debug, Clone)]
pub(crate) struct DirtyFile {
    pub(crate) file: Arc<dyn DiskFile>,
    /// The directory of its log, for messages.
    pub(crate) log_dir: PathBuf,
    /// The folder's name.
    name: Arc<str>,
    /// The last note of it, counted from 1.
    last: u64,
}

/// What the journal knows of a log.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// Entries of another one are void.
    incarnation: u64,
    /// The last group that has bytes of it and none that forgets it; 0 without one.
    last: u64,
}

/// Logs and files that the journal has bytes of.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    logs: HashMap<Arc<str>, Known>,
    incarnations: u64,
    dirty: [HashMap<usize, DirtyFile>; 2],
    /// The half that was noted last.
    current: usize,
    /// How often groups were noted. Not their numbers: one that finds the disk full gives its number to
    /// the next, and a sync in between covers the one and not the other.
    noted: u64,
}

/// What makes a file the same one: the address of the open file, which stays while anyone holds it.
pub(crate) fn address(file: &Arc<dyn DiskFile>) -> usize {
    Arc::as_ptr(file).cast::<()>().addr()
}

impl Ledger {
    /// A number that no entry carries yet, from now on the one that entries of the log must carry.
    pub(super) fn renew(&mut self, name: &Arc<str>) -> u64 {
        self.incarnations += 1;
        let known = self.logs.entry(Arc::clone(name)).or_insert(Known {
            incarnation: 0,
            last: 0,
        });
        known.incarnation = self.incarnations;
        self.incarnations
    }

    /// The last group that has bytes of the log and none that forgets it; 0 without one.
    pub(super) fn last_of(&self, name: &str) -> u64 {
        self.logs.get(name).map_or(0, |known| known.last)
    }

    /// The journal has forgotten the log.
    pub(super) fn forgotten(&mut self, name: &str) {
        if let Some(known) = self.logs.get_mut(name) {
            known.last = 0;
        }
    }

    /// The log is gone.
    pub(super) fn remove(&mut self, name: &str) {
        self.logs.remove(name);
    }

    pub(super) fn is_valid(&self, entry: &Entry) -> bool {
        let known = self.logs.get(&entry.name);
        known.is_some_and(|known| known.incarnation == entry.incarnation)
    }

    /// Takes note of what is about to be written into a half, before it is: a sync that begins now does
    /// not count for it unless it sees this.
    pub(super) fn note(&mut self, half: usize, sequence: u64, entries: &[Entry]) {
        self.noted += 1;
        let noted = self.noted;
        self.current = half;
        for entry in entries {
            if let Some(known) = self.logs.get_mut(&entry.name) {
                known.last = sequence;
            }
            let dirty = self.dirty[half].entry(address(&entry.file));
            let dirty = dirty.or_insert_with(|| DirtyFile {
                file: Arc::clone(&entry.file),
                log_dir: entry.log_dir.clone(),
                name: Arc::clone(&entry.name),
                last: noted,
            });
            dirty.last = noted;
        }
    }

    /// The last note whose bytes a sync that begins now covers.
    pub(super) const fn noted(&self) -> u64 {
        self.noted
    }

    /// A sync of the file that began when [`Self::noted`] said `noted` has succeeded.
    pub(super) fn synced(&mut self, file: usize, noted: u64) {
        for dirty in &mut self.dirty {
            if dirty.get(&file).is_some_and(|dirty| dirty.last <= noted) {
                dirty.remove(&file);
            }
        }
    }

    /// Whether no file is not synced because of a half.
    pub(super) fn is_clean(&self, half: usize) -> bool {
        self.dirty[half].is_empty()
    }

    /// Whether the half that is not being written may be.
    pub(super) fn is_other_clean(&self) -> bool {
        self.is_clean(1 - self.current)
    }

    /// The files of a half that are not synced.
    pub(super) fn dirty(&self, half: usize) -> Vec<DirtyFile> {
        self.dirty[half].values().cloned().collect()
    }

    /// The files of some logs that are not synced.
    pub(super) fn dirty_of(&self, names: &[Arc<str>]) -> Vec<DirtyFile> {
        let names: HashSet<&Arc<str>> = names.iter().collect();
        let all = self.dirty.iter().flat_map(HashMap::values);
        all.filter(|dirty| names.contains(&dirty.name))
            .cloned()
            .collect()
    }
}
