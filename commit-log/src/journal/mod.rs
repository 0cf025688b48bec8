//! [`Journal`]: two files in front of the segments of a directory, so that one sync makes the small
//! appends of many logs durable.
//!
//! A flush whose bytes are few goes here as an [`Entry`], together with those of other logs, as one
//! group: one write and one sync. The segments have the same bytes, written and not synced yet. When one
//! half is full the other is begun, and the files that the full one has bytes of are synced meanwhile. A
//! start puts in place what the segments lack ([`settle`]), before any log is opened.
//!
//! What makes this safe (`docs/invariants.md`, "A journal in front of the segments"):
//!
//! * An entry has all bytes of its log from the place up to which the log is durable. So whoever
//!   acknowledges it acknowledges nothing that only another request in flight covers.
//! * Before a log is changed in any way but by appends, the journal forgets it durably, and what still
//!   waits to be written of it is refused and goes to the file. Refused entries cost time, never safety.
//! * Only one group is in flight. A failed write or sync ends the directory.

mod distrust;
mod emptied;
mod entry;
mod format;
mod ledger;
mod limits;
mod look;
mod overlay;
mod replay;
mod scan;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

pub use distrust::Distrust;
pub(crate) use emptied::Settled;
pub(crate) use entry::Entry;
pub(crate) use ledger::{DirtyFile, address};
pub use limits::{JOURNAL_BYTES_DEFAULT, JOURNAL_BYTES_MAX, JOURNAL_BYTES_MIN, JournalLimits};
pub use look::{JournalEntry, JournalFiles, JournalGroup, JournalSummary, inspect_journal};
pub use overlay::ReadThroughJournal;
pub(crate) use replay::settle;

use crate::change_error::{ChangeError, sync_names};
use crate::disk::{Disk, OpenHow};
use crate::latch::{DirFailed, DirLatch};
use format::{BLOCK_BYTES, ENTRY_OVERHEAD_BYTES};
use ledger::Ledger;
use scan::HALVES;
use writer::{Writer, lock};

/// Bytes of entries in one group, about; more go into another one.
const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a group of entries came to.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// Entries that are not in the journal: their files are to be synced.
    pub(crate) refused: Vec<Entry>,
    /// Files that are to be synced some time soon, so that a half is free again.
    pub(crate) to_clean: Vec<DirtyFile>,
}

/// The journal of one directory of logs.
#[derive(Debug)]
pub struct Journal {
    logs_dir: PathBuf,
    latch: Arc<DirLatch>,
    limits: JournalLimits,
    /// Locked before the ledger, and while a group is written.
    writer: Mutex<Writer>,
    ledger: Mutex<Ledger>,
    kept_bytes: AtomicUsize,
    has_place: AtomicBool,
}

impl Journal {
    /// Opens the journal in `logs_dir`, which a start has settled.
    ///
    /// # Errors
    /// Those of the system; it may be tried again unless a sync failed.
    pub(crate) fn open(
        disk: &dyn Disk,
        latch: Arc<DirLatch>,
        logs_dir: &Path,
        limits: JournalLimits,
        settled: Settled,
    ) -> Result<Arc<Self>, ChangeError> {
        let names = disk.open_dir(logs_dir)?;
        let open = |name: &str| disk.open(&logs_dir.join(name), OpenHow::OrCreate);
        let files = [open(HALVES[0])?, open(HALVES[1])?];
        sync_names(names.as_ref())?;
        let settled = emptied::cut_to_bound(&files, limits.half_bytes, settled)?;
        Ok(Arc::new(Self {
            logs_dir: logs_dir.to_owned(),
            latch,
            limits,
            writer: Mutex::new(Writer::new(files, limits, settled)?),
            ledger: Mutex::default(),
            kept_bytes: AtomicUsize::new(0),
            has_place: AtomicBool::new(true),
        }))
    }

    /// A flush of so many bytes, or more, does not go through the journal.
    pub(crate) const fn flush_bytes_end(&self) -> usize {
        self.limits.flush_bytes_end
    }

    /// Whether the journal is that of the directory of the log in `dir`.
    pub(crate) fn is_of(&self, dir: &Path) -> bool {
        dir.parent() == Some(&self.logs_dir)
    }

    /// Has nothing of the log put in place by a start that was given to the journal up to now, and tells
    /// the number that entries of it carry from now on. Entries that still wait are refused then.
    ///
    /// Comes durably before any change of the log's files but an append. All of the log is durable in
    /// its files first, so it loses nothing when a stop follows.
    pub(crate) fn begin_anew(&self, name: &Arc<str>) -> Result<u64, DirFailed> {
        self.forget(std::slice::from_ref(name))
    }

    /// The same for logs that are not open and whose folders are about to lose their names.
    pub(crate) fn let_go(&self, names: &[Arc<str>]) -> Result<(), DirFailed> {
        self.forget(names)?;
        let mut ledger = lock(&self.ledger);
        names.iter().for_each(|name| ledger.remove(name));
        Ok(())
    }

    /// Forgets logs and tells the number of the last one's entries. Files are synced before the writer
    /// is taken, since small flushes of all logs would wait meanwhile; only what a group in flight has
    /// of the logs is left then.
    fn forget(&self, names: &[Arc<str>]) -> Result<u64, DirFailed> {
        self.latch.check()?;
        let (incarnation, dirty) = {
            let mut ledger = lock(&self.ledger);
            let incarnation = names.iter().fold(0, |_, name| ledger.renew(name));
            (incarnation, ledger.dirty_of(names))
        };
        self.sync(dirty)?;
        let mut writer = lock(&self.writer);
        let live: Vec<Arc<str>> = {
            let ledger = lock(&self.ledger);
            let is_live = |name: &&Arc<str>| writer.is_live(ledger.last_of(name));
            names.iter().filter(is_live).cloned().collect()
        };
        let dirty = lock(&self.ledger).dirty_of(&live);
        self.sync(dirty)?;
        // Twice: one bad block must not bring back what is about to be cut.
        let names_max = (self.group_bytes_max() / ENTRY_OVERHEAD_BYTES).max(1);
        let has_place = live
            .chunks(names_max)
            .chain(live.chunks(names_max))
            .try_fold(true, |has_place, names| {
                if !has_place {
                    return Ok(false);
                }
                let mut group = writer.begin();
                names.iter().for_each(|name| group.push_forget(name));
                writer.put(&self.ledger, group, |_, _| {})
            })
            .map_err(|error| self.failed(&error))?;
        if !has_place {
            drop(writer);
            self.sync_dirty()?;
            self.clear(&mut lock(&self.writer))?;
        }
        let mut ledger = lock(&self.ledger);
        live.iter().for_each(|name| ledger.forgotten(name));
        Ok(incarnation)
    }

    /// Makes entries durable, all that there is a place for.
    ///
    /// # Errors
    /// The directory has failed.
    pub(crate) fn write(&self, entries: Vec<Entry>) -> Result<Written, DirFailed> {
        self.latch.check()?;
        let mut writer = lock(&self.writer);
        let (valid, refused) = {
            let ledger = lock(&self.ledger);
            entries
                .into_iter()
                .partition(|entry| ledger.is_valid(entry))
        };
        let mut written = Written {
            refused,
            to_clean: Vec::new(),
        };
        for entries in self.batches(valid) {
            let mut group = writer.begin();
            for entry in &entries {
                group.push_bytes(&entry.name, entry.base, entry.position, &entry.pieces);
            }
            let note = |half, sequence| lock(&self.ledger).note(half, sequence, &entries);
            let put = writer.put(&self.ledger, group, note);
            if !put.map_err(|error| self.failed(&error))? {
                written.refused.extend(entries);
                let ledger = lock(&self.ledger);
                self.has_place
                    .store(ledger.is_other_clean(), Ordering::Relaxed);
            }
        }
        if std::mem::take(&mut writer.owes_cleaning) {
            written.to_clean = lock(&self.ledger).dirty(writer.other());
        }
        Ok(written)
    }

    /// Entries for one group each.
    fn batches(&self, entries: Vec<Entry>) -> Vec<Vec<Entry>> {
        let bytes_max = self.group_bytes_max();
        let mut batches: Vec<Vec<Entry>> = Vec::new();
        let mut bytes = 0;
        for entry in entries {
            bytes += entry.bytes_max();
            match batches.last_mut() {
                Some(batch) if bytes <= bytes_max => batch.push(entry),
                _ => {
                    bytes = entry.bytes_max();
                    batches.push(vec![entry]);
                }
            }
        }
        batches
    }

    /// Bytes of entries in one group, about.
    fn group_bytes_max(&self) -> usize {
        let half_bytes = usize::try_from(self.limits.half_bytes).unwrap_or(usize::MAX);
        GROUP_BYTES_MAX.min(half_bytes / 4).max(BLOCK_BYTES)
    }

    /// Whether there was a place for the last entries, or there may be one again. While there is none,
    /// flushes go to the files without asking.
    pub(crate) fn has_place(&self) -> bool {
        self.has_place.load(Ordering::Relaxed)
    }

    /// What a sync that begins now covers; for [`Self::synced`].
    pub(crate) fn noted(&self) -> u64 {
        lock(&self.ledger).noted()
    }

    /// A sync of the open file that began when [`Self::noted`] said `noted` has succeeded.
    pub(crate) fn synced(&self, file: usize, noted: u64) {
        let mut ledger = lock(&self.ledger);
        ledger.synced(file, noted);
        // Under the lock, as where it becomes false: so the last sync that frees a half is never missed.
        if ledger.is_other_clean() {
            self.has_place.store(true, Ordering::Relaxed);
        }
    }

    /// Empties the journal for good: syncs every file that it has bytes of, and says so durably.
    ///
    /// # Errors
    /// The directory has failed.
    pub(crate) fn close(&self) -> Result<(), DirFailed> {
        self.latch.check()?;
        let mut writer = lock(&self.writer);
        writer.is_closed = true;
        self.clear(&mut writer)
    }

    fn clear(&self, writer: &mut Writer) -> Result<(), DirFailed> {
        self.sync_dirty()?;
        writer.put_empty().map_err(|error| self.failed(&error))
    }

    fn sync_dirty(&self) -> Result<(), DirFailed> {
        [0, 1].into_iter().try_for_each(|half| {
            let dirty = lock(&self.ledger).dirty(half);
            self.sync(dirty)
        })
    }

    fn sync(&self, files: Vec<DirtyFile>) -> Result<(), DirFailed> {
        for dirty in files {
            let noted = self.noted();
            let synced = dirty.file.sync_data();
            synced.map_err(|error| self.latch.fail("sync a file in", &dirty.log_dir, &error))?;
            self.synced(address(&dirty.file), noted);
        }
        Ok(())
    }

    fn failed(&self, error: &io::Error) -> DirFailed {
        let doing = "write the flush journal in";
        self.latch.fail(doing, &self.logs_dir, error)
    }

    /// Takes so much of the memory that logs may keep for the journal, if it is left.
    pub(crate) fn keep(&self, bytes: usize) -> bool {
        let taken = |kept: usize| {
            let after = kept.checked_add(bytes)?;
            (after <= self.limits.kept_bytes_max).then_some(after)
        };
        let ordering = Ordering::Relaxed;
        self.kept_bytes
            .fetch_update(ordering, ordering, taken)
            .is_ok()
    }

    /// Gives back what [`Self::keep`] took.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.kept_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}
