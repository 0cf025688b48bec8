//! [`Seat`]: what a log keeps for flushes through its directory's journal.
//!
//! The bytes that were appended since the log was last durable, as long as they are few and stand in
//! the segment that is written. They are all that an entry of the journal needs: whoever has the segment
//! up to there and the entry has the log to its end. Where some of them were let go, the next flush goes
//! to the file, and bytes are kept anew from where it reaches.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use trimaran_types::Offset;

use super::Log;
use crate::change_error::{ChangeError, sync_data};
use crate::disk::DiskFile;
use crate::journal::{Entry, Journal, address};
use crate::latch::DirFailed;

/// Bytes of one append that are kept.
#[derive(Debug)]
struct Piece {
    position: u64,
    /// Where the log ended behind them.
    end: Offset,
    bytes: Bytes,
}

/// The journal that a log enters, its name there, and the number of its entries.
pub(super) type Entrance = (Arc<Journal>, Arc<str>, u64);

/// A log's part in the journal.
#[derive(Debug)]
pub(super) struct Seat {
    journal: Arc<Journal>,
    name: Arc<str>,
    incarnation: u64,
    pieces: VecDeque<Piece>,
    bytes: usize,
    /// Not all bytes below it are kept.
    lost_before: Offset,
}

impl Seat {
    /// For a log that is durable up to `end`.
    pub(super) const fn new(
        journal: Arc<Journal>,
        name: Arc<str>,
        incarnation: u64,
        end: Offset,
    ) -> Self {
        Self {
            journal,
            name,
            incarnation,
            pieces: VecDeque::new(),
            bytes: 0,
            lost_before: end,
        }
    }

    /// The journal.
    pub(super) const fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// Keeps what was appended at `position`, so that the log ends at `end`, if there is not too much
    /// of it. Follower's bytes are copied: they are a part of something large.
    pub(super) fn appended(&mut self, position: u64, end: Offset, bytes: &Bytes, is_part: bool) {
        let after = self.bytes.saturating_add(bytes.len());
        if after >= self.journal.flush_bytes_end() || !self.journal.keep(bytes.len()) {
            return self.lose(end);
        }
        self.bytes = after;
        let bytes = if is_part {
            Bytes::copy_from_slice(bytes)
        } else {
            bytes.clone()
        };
        self.pieces.push_back(Piece {
            position,
            end,
            bytes,
        });
    }

    /// Lets go of all that is kept; the log ends at `end`.
    pub(super) fn lose(&mut self, end: Offset) {
        self.lost_before = end;
        self.pieces.clear();
        self.journal.give_back(std::mem::take(&mut self.bytes));
    }

    /// Lets go of what is durable.
    pub(super) fn flushed(&mut self, end: Offset) {
        while let Some(piece) = self.pieces.pop_front_if(|piece| piece.end <= end) {
            self.bytes -= piece.bytes.len();
            self.journal.give_back(piece.bytes.len());
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.journal.give_back(self.bytes);
    }
}

impl Log {
    /// What the journal has to note so that all of the log is durable; `None` where that needs more
    /// than the bytes behind its flushed end.
    pub(super) fn journal_entry(&self) -> Option<Entry> {
        let seat = self.seat.as_ref()?;
        let flush = &self.flush;
        let first = seat.pieces.front()?;
        if !seat.journal.has_place() {
            return None;
        }
        if flush.needs_more_than_bytes() || flush.flushed_end < seat.lost_before {
            return None;
        }
        Some(Entry {
            name: Arc::clone(&seat.name),
            incarnation: seat.incarnation,
            base: self.active.base,
            position: first.position,
            pieces: seat.pieces.iter().map(|p| p.bytes.clone()).collect(),
            file: Arc::clone(self.active.file.as_ref()?),
            log_dir: self.dir().to_owned(),
            ticket: 0,
        })
    }

    /// Comes before any change of the log's files but an append: nothing that the journal has of the
    /// log counts any more, and all of it is durable in the files.
    pub(super) fn leave_journal(&mut self) -> Result<(), DirFailed> {
        let end = self.log_end;
        if let Some(seat) = &mut self.seat {
            seat.incarnation = seat.journal.begin_anew(&seat.name)?;
            seat.lose(end);
        }
        Ok(())
    }

    /// Syncs a file, so that the journal need not have it synced.
    pub(super) fn sync_file(&self, file: &Arc<dyn DiskFile>) -> Result<(), ChangeError> {
        let journal = self.seat.as_ref().map(Seat::journal);
        let noted = journal.map(|journal| journal.noted());
        sync_data(file.as_ref())?;
        if let (Some(journal), Some(noted)) = (journal, noted) {
            journal.synced(address(file), noted);
        }
        Ok(())
    }

    /// What was kept is of no use to the next flush; the log ends at `end`.
    pub(super) fn lose_kept(&mut self, end: Offset) {
        if let Some(seat) = &mut self.seat {
            seat.lose(end);
        }
    }
}
