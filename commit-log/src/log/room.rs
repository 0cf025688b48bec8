//! [`Room`]: zeros behind the data of the segment that is written, and what the log does with them.
//!
//! A sync of bytes that lengthen their file makes the file system commit its journal, too; a sync of
//! bytes in blocks that were written before does not. So a log whose flushes are small writes zeros
//! ahead of itself, a chunk at a time, and appends over them.
//!
//! * Behind the data of the active segment lie zeros and nothing else, never old batches.
//! * A segment that is finished, closed or left alone has no room: it is cut before its file is let
//!   go, and the cut is synced before anything that comes after it counts as durable.
//! * Room never reaches beyond `segment.bytes`, and the directory's budget bounds all of it.
//! * Without room the log grows as it is written: room that cannot be made fails no append, unless
//!   the disk fails.

use std::io;
use std::sync::Arc;

use super::Log;
use super::run::is_exhausted;
use crate::disk::DiskFile;
use crate::room_budget::RoomBudget;
use crate::zeros;

/// Chunks end where a page does: the page behind would be written twice.
const PAGE_BYTES: u64 = 4096;

/// The zeros behind the data of a segment; counted in the directory's budget while they are there.
#[derive(Debug)]
pub(super) struct Room {
    bytes: u64,
    budget: Arc<RoomBudget>,
}

impl Room {
    /// There is none.
    pub(super) const fn none(budget: Arc<RoomBudget>) -> Self {
        Self { bytes: 0, budget }
    }

    /// As much, if the budget has it.
    fn take(budget: &Arc<RoomBudget>, bytes: u64) -> Option<Self> {
        budget.take(bytes).then(|| Self {
            bytes,
            budget: Arc::clone(budget),
        })
    }

    /// Bytes of zeros behind the data.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Data was written over so many of them.
    pub(super) fn used(&mut self, bytes: u64) {
        let used = self.bytes.min(bytes);
        self.bytes -= used;
        self.budget.give_back(used);
    }

    /// They were cut off.
    pub(super) fn gone(&mut self) {
        self.used(self.bytes);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.gone();
    }
}

impl Log {
    /// Writes a chunk of room behind data that ends at `end` in `file`, if the log deserves one. A
    /// full disk gives none, and the log goes on growing.
    pub(super) fn new_room(&mut self, file: &dyn DiskFile, end: u64) -> io::Result<Option<Room>> {
        let budget = Arc::clone(&self.context().room);
        let wanted = self.pace.chunk_bytes(budget.limits());
        let Some(wanted) = wanted.filter(|_| self.config.preallocate) else {
            return Ok(None);
        };
        let whole = end.saturating_add(wanted);
        let before = (whole - whole % PAGE_BYTES).min(self.config.segment_bytes);
        let Some(room) = before
            .checked_sub(end)
            .filter(|bytes| *bytes > 0)
            .and_then(|bytes| Room::take(&budget, bytes))
        else {
            return Ok(None);
        };
        match zeros::write(file, end, before) {
            Ok(()) => Ok(Some(room)),
            Err(error) if is_exhausted(&error) => {
                // What little space is left is for records.
                file.truncate(end)?;
                tracing::debug!(dir = %self.dir().display(), %error, "no room made ahead");
                self.pace.forget();
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Cuts the room off the active segment. The cut is durable with the next flush.
    pub(super) fn cut_room(&mut self) -> io::Result<()> {
        self.cut_room_behind(self.active.bytes)?;
        if self.active.room.bytes() > 0 {
            self.active.room.gone();
            self.flush.room_cut();
        }
        Ok(())
    }

    /// Cuts off what is left of the room once the active segment's data ends at `end`.
    pub(super) fn cut_room_behind(&self, end: u64) -> io::Result<()> {
        let is_left = self.active.bytes.saturating_add(self.active.room.bytes()) > end;
        match &self.active.file {
            Some(file) if is_left => file.truncate(end),
            _ => Ok(()),
        }
    }
}
