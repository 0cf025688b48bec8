//! [`Writer`]: puts groups into the halves, one at a time, each synced before the next is begun.
//!
//! The rules that recovery rests on are kept here:
//!
//! * A group goes behind the one before it, or to the beginning of the other half; it never covers a
//!   block that may still count. The other half is begun anew only when a synced group says, by its
//!   low-water mark, that nothing of it counts, and that is so when its files are synced.
//! * Two blocks at the end of a half are kept for groups without entries: one that says that the other
//!   half does not count any more, and one that says so of everything.
//! * Numbers grow by one. A group that failed, but for its space, ends the directory, so none is missing.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::emptied::Settled;
use super::format::{BLOCK, GroupBuilder};
use super::ledger::Ledger;
use super::limits::JournalLimits;
use crate::disk::DiskFile;
use crate::log::is_exhausted;
use crate::zeros;

/// Blocks at the end of a half that groups with entries leave free.
const RESERVED: u64 = 2 * BLOCK;

/// Groups that are refused after the disk was found full, before it is tried again.
const REFUSED_WHEN_FULL: u32 = 256;

/// Most memory that is kept from one group for the next, for each of two buffers.
const KEPT_BYTES_MAX: usize = 512 * 1024;

/// The halves, and where the next group goes.
#[derive(Debug)]
pub(super) struct Writer {
    files: [Arc<dyn DiskFile>; 2],
    lengths: [u64; 2],
    limits: JournalLimits,
    /// The half that is being written.
    current: usize,
    /// Where its groups end.
    end: u64,
    /// The number of the last group.
    last: u64,
    /// The first and the last group of each half in its present use; 0 without one.
    first_of: [u64; 2],
    last_of: [u64; 2],
    /// The low-water mark of the last group, which is synced.
    low_water: u64,
    refusals_left: u32,
    /// Memory of the last group, for the next: its stream, and its blocks.
    stream: Vec<u8>,
    blocks: Vec<u8>,
    /// Whether a start would look at entries.
    pub(super) has_entries: bool,
    /// The half that is not written has files to be synced, and nobody was told.
    pub(super) owes_cleaning: bool,
    /// It was emptied for good.
    pub(super) is_closed: bool,
}

pub(super) type Shared<'a> = &'a Mutex<Ledger>;

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Writer {
    pub(super) fn new(
        files: [Arc<dyn DiskFile>; 2],
        limits: JournalLimits,
        settled: Settled,
    ) -> io::Result<Self> {
        let lengths = [files[0].bytes()?, files[1].bytes()?];
        let mut writer = Self {
            files,
            lengths,
            limits,
            current: settled.half,
            end: settled.end,
            last: settled.last,
            first_of: [0; 2],
            last_of: [0; 2],
            low_water: settled.last,
            refusals_left: 0,
            stream: Vec::new(),
            blocks: Vec::new(),
            has_entries: false,
            owes_cleaning: false,
            is_closed: false,
        };
        writer.last_of[1 - settled.half] = settled.last;
        Ok(writer)
    }

    /// Whether a group up to which the log has bytes may still be put in place by a start.
    pub(super) const fn is_live(&self, group: u64) -> bool {
        group >= self.low_water && group > 0
    }

    /// The half that is not being written.
    pub(super) const fn other(&self) -> usize {
        1 - self.current
    }

    /// A group without entries as yet.
    pub(super) fn begin(&mut self) -> GroupBuilder {
        GroupBuilder::within(std::mem::take(&mut self.stream))
    }

    /// Writes and syncs a group of entries, and tells whether there was a place for it. `note` is told
    /// the half and the number before.
    pub(super) fn put(
        &mut self,
        ledger: Shared<'_>,
        group: GroupBuilder,
        note: impl FnOnce(usize, u64),
    ) -> io::Result<bool> {
        let blocks = group.blocks() as u64;
        if self.is_closed {
            return Ok(false);
        }
        if self.refusals_left > 0 {
            self.refusals_left -= 1;
            return Ok(false);
        }
        if !self.has_place(self.current, self.end, blocks)? {
            if !self.may_switch(ledger, blocks)? {
                return Ok(false);
            }
            self.current = self.other();
            self.end = 0;
            self.first_of[self.current] = 0;
            self.owes_cleaning = true;
        }
        let sequence = self.last + 1;
        note(self.current, sequence);
        if self.first_of[self.current] == 0 {
            self.first_of[self.current] = sequence;
        }
        let low_water = self.low_water_now(ledger);
        self.has_entries = true;
        let is_written = self.write(group, sequence, low_water)?;
        self.refusals_left = if is_written { 0 } else { REFUSED_WHEN_FULL };
        Ok(is_written)
    }

    /// Says that nothing counts any more; all files must have been synced. Goes into the reserve. Says it
    /// twice: a block that goes bad must not bring back what was emptied.
    pub(super) fn put_empty(&mut self) -> io::Result<()> {
        if !self.has_entries {
            return Ok(());
        }
        let first = self.last + 1;
        if !self.write(GroupBuilder::new(), first, first)? {
            return Err(io::ErrorKind::StorageFull.into());
        }
        // What stood here before never counts again.
        self.first_of[self.current] = first;
        self.has_entries = false;
        // In the other half, out of reach of what spoils the first.
        let (current, end, other) = (self.current, self.end, self.other());
        if self.has_place(other, 0, 1)? {
            (self.current, self.end) = (other, 0);
            if self.write(GroupBuilder::new(), first + 1, first + 1)? {
                self.first_of[other] = 0;
                return Ok(());
            }
            (self.current, self.end) = (current, end);
        }
        // On a full disk behind it; where there is no room for that either, once has to do until the next
        // start.
        self.write(GroupBuilder::new(), first + 1, first + 1)?;
        Ok(())
    }

    /// What still counts while the other half is as it is.
    fn low_water_now(&self, ledger: Shared<'_>) -> u64 {
        if lock(ledger).is_clean(self.other()) {
            self.first_of[self.current]
        } else {
            self.first_of[self.other()]
        }
    }

    /// Whether so many blocks at `position` leave the reserve free; lengthens the file if need be.
    fn has_place(&mut self, half: usize, position: u64, blocks: u64) -> io::Result<bool> {
        let most = self.limits.half_bytes - self.limits.half_bytes % BLOCK;
        let end = position + blocks * BLOCK + RESERVED;
        if end > most {
            return Ok(false);
        }
        let length = self.lengths[half];
        if end <= length {
            return Ok(true);
        }
        let wanted = end
            .max(length.saturating_add(self.limits.chunk_bytes))
            .min(most);
        match zeros::write(self.files[half].as_ref(), length, wanted) {
            Ok(()) => {
                self.lengths[half] = wanted;
                Ok(true)
            }
            Err(error) if is_exhausted(&error) => {
                // What little space is left is for records.
                self.files[half].truncate(length)?;
                self.refusals_left = REFUSED_WHEN_FULL;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the other half may be begun anew, for a group of so many blocks.
    fn may_switch(&mut self, ledger: Shared<'_>, blocks: u64) -> io::Result<bool> {
        let other = self.other();
        // Where there is no room on the disk for the first group of a half, there is none for two.
        let is_begun = self.first_of[self.current] > 0;
        if !is_begun || !lock(ledger).is_clean(other) || !self.has_place(other, 0, blocks)? {
            return Ok(false);
        }
        if self.low_water <= self.last_of[other] {
            let sequence = self.last + 1;
            let low_water = self.low_water_now(ledger);
            return self.write(GroupBuilder::new(), sequence, low_water);
        }
        Ok(true)
    }

    /// Writes and syncs a group; false where the disk is full, as file systems that write anew what is
    /// written over may be. Nothing is in the group's place then, and its number is the next one's.
    fn write(&mut self, group: GroupBuilder, sequence: u64, low_water: u64) -> io::Result<bool> {
        // What does not count any more never counts again.
        let low_water = low_water.max(self.low_water);
        self.stream = group.finish_into(&mut self.blocks, sequence, low_water);
        let file = &self.files[self.current];
        match file.write_all_at(self.end, &self.blocks) {
            Err(error) if is_exhausted(&error) => return Ok(false),
            written => written?,
        }
        file.sync_data()?;
        self.end += self.blocks.len() as u64;
        if self.blocks.capacity() > KEPT_BYTES_MAX {
            (self.stream, self.blocks) = (Vec::new(), Vec::new());
        }
        self.lengths[self.current] = self.lengths[self.current].max(self.end);
        self.last = sequence;
        self.last_of[self.current] = sequence;
        self.low_water = low_water;
        Ok(true)
    }
}
