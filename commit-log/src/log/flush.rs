//! Which files must be synced for which offsets, and what a finished sync means.
//!
//! A flush runs beside appends and truncations. Its token remembers which cut it came after: one
//! that spans a cut moves no end, so bytes that were written there later are never taken for
//! synced. The next flush covers what it covered.
//!
//! A finished segment waits for a flush that began after it was finished: an earlier one may have
//! synced its records, and not its indexes, nor the cut of its room. So no recovery point passes its end
//! before: a segment that is finished while a checkpoint is under way has its last time entry later.
//!
//! Where the bytes behind the flushed end are all that is needed, a request carries them as an entry for
//! the journal, and still names the file: whoever syncs the file has done what was asked for, too.

use std::path::PathBuf;
use std::sync::Arc;

use trimaran_types::Offset;

use super::Log;
use crate::change_error::ChangeError;
use crate::context::LogContext;
use crate::disk::DiskFile;
use crate::journal::{Entry, Journal};
use crate::log_dir::FlushedEnd;

/// What must be synced to make a log durable up to an offset.
#[derive(Debug)]
pub struct FlushRequest {
    /// Files whose data must be synced.
    pub files: Vec<Arc<dyn DiskFile>>,
    /// Directories whose names must be synced.
    pub dirs: Vec<PathBuf>,
    /// Everything below it is durable then.
    pub up_to_end: Offset,
    /// Where the log's directory is, for messages.
    pub log_dir: PathBuf,
    /// How the directories are opened.
    pub(crate) context: LogContext,
    /// What the journal has to note instead of all the syncs.
    pub(crate) entry: Option<Entry>,
    /// The journal of the directory.
    pub(crate) journal: Option<Arc<Journal>>,
    token: FlushToken,
}

impl FlushRequest {
    /// What to tell the log when all of it has been synced.
    #[must_use]
    pub fn token(&self) -> FlushToken {
        self.token.clone()
    }
}

/// A finished flush, told to the log that asked for it. Any order and any number of times is safe.
#[derive(Debug, Clone)]
pub struct FlushToken {
    up_to_end: Offset,
    /// How often the log had been cut when the flush began.
    cuts: u64,
    names: u64,
    seals: u64,
    room_cuts: u64,
    /// Whether the files have everything below the end, and not the journal alone.
    in_files: bool,
    /// Whether the indexes and epochs below the end are durable too.
    is_checkpoint: bool,
}

/// What of a log is durable.
#[derive(Debug)]
pub(super) struct FlushState {
    pub flushed_end: Offset,
    /// The same without the journal: the files are synced up to here.
    file_end: Offset,
    /// Everything that a restart needs below it is durable, indexes and epochs included.
    pub checkpointed_end: Offset,
    /// How often the log was cut. A 64-bit count does not come round.
    cuts: u64,
    sealed: Vec<Sealed>,
    /// How many segments were finished.
    seals: u64,
    names: u64,
    names_synced: u64,
    /// How often room was cut off the active segment.
    room_cuts: u64,
    room_cuts_synced: u64,
    /// Where the flushed end is noted for the next start; `None` without a directory of logs.
    noted: Option<Arc<FlushedEnd>>,
}

/// A finished segment that may not be synced yet.
#[derive(Debug)]
struct Sealed {
    /// Counted from 1.
    number: u64,
    end: Offset,
    files: Vec<Arc<dyn DiskFile>>,
}

impl FlushState {
    /// Of a log that is durable up to its end.
    pub(super) fn new(
        log_end: Offset,
        recovery_point: Offset,
        noted: Option<Arc<FlushedEnd>>,
    ) -> Self {
        Self {
            flushed_end: log_end,
            file_end: log_end,
            checkpointed_end: recovery_point.min(log_end),
            cuts: 0,
            sealed: Vec::new(),
            seals: 0,
            names: 0,
            names_synced: 0,
            room_cuts: 0,
            room_cuts_synced: 0,
            noted,
        }
    }

    /// A segment that ends at `end` was finished.
    pub(super) fn sealed(&mut self, end: Offset, files: Vec<Arc<dyn DiskFile>>) {
        self.seals += 1;
        let number = self.seals;
        self.sealed.push(Sealed { number, end, files });
    }

    /// The room of the active segment was cut off.
    pub(super) const fn room_cut(&mut self) {
        self.room_cuts += 1;
    }

    /// Whether a cut of room waits for a sync.
    pub(super) const fn owes_cut(&self) -> bool {
        self.room_cuts > self.room_cuts_synced
    }

    /// Whether a name waits for a sync of the directory.
    pub(super) const fn owes_names(&self) -> bool {
        self.names > self.names_synced
    }

    /// A name was added to the directory, or taken away.
    pub(super) const fn name_added(&mut self) {
        self.names += 1;
    }

    /// The log was cut to `end`; unfinished flushes may claim nothing any more.
    pub(super) fn truncated(&mut self, end: Offset) {
        self.cuts += 1;
        self.flushed_end = self.flushed_end.min(end);
        self.file_end = self.file_end.min(end);
        self.checkpointed_end = self.checkpointed_end.min(end);
        self.sealed.retain(|sealed| sealed.end <= end);
    }

    /// Whether a flush must make more durable than bytes behind the flushed end.
    pub(super) const fn needs_more_than_bytes(&self) -> bool {
        self.names != self.names_synced || !self.sealed.is_empty() || self.owes_cut()
    }

    /// Whether no file has anything to sync.
    pub(super) fn is_all_synced(&self, log_end: Offset) -> bool {
        self.file_end >= log_end
            && self.names == self.names_synced
            && self.sealed.is_empty()
            && !self.owes_cut()
    }

    /// Segments that end at or below `end` are gone; their files need no sync any more.
    pub(super) fn deleted_up_to(&mut self, end: Offset) {
        self.sealed.retain(|sealed| sealed.end > end);
    }

    /// The log was emptied and starts at `start`, durably.
    pub(super) fn restarted(&mut self, start: Offset) {
        self.truncated(Offset(i64::MIN));
        self.flushed_end = start;
        self.file_end = start;
        self.checkpointed_end = Offset::ZERO;
    }
}

impl Log {
    /// Records that are in the log and not known to be durable.
    #[must_use]
    pub fn unflushed_records(&self) -> u64 {
        self.log_end
            .distance_from(self.flush.flushed_end)
            .unsigned_abs()
    }

    /// Whether a flush is due: `flush.messages` asks for it, or a segment was finished, which is
    /// flushed whatever the settings say, so that open files do not pile up. `flush.ms` is the
    /// owner's to watch.
    #[must_use]
    pub fn is_flush_due(&self) -> bool {
        let unflushed = self.unflushed_records();
        unflushed > 0 && (unflushed >= self.config.flush_messages || !self.flush.sealed.is_empty())
    }

    /// What must be synced so that everything appended so far is durable; `None` when it is.
    ///
    /// Flushes may overlap: each covers all that no finished one covers.
    #[must_use]
    pub fn begin_flush(&mut self) -> Option<FlushRequest> {
        let state = &self.flush;
        let has_all = state.flushed_end >= self.log_end && state.names == state.names_synced;
        if has_all && !state.owes_cut() {
            return None;
        }
        let mut request = self.flush_request(false);
        request.entry = self.journal_entry();
        if request.entry.is_some() {
            // No file needs to be synced for it, so none needs room.
            request.token.in_files = false;
            self.pace.forget();
        } else {
            self.pace.flush_began();
        }
        Some(request)
    }

    pub(super) fn flush_request(&self, is_checkpoint: bool) -> FlushRequest {
        let state = &self.flush;
        let mut files: Vec<_> = state
            .sealed
            .iter()
            .flat_map(|sealed| sealed.files.iter().cloned())
            .collect();
        if self.log_end > state.file_end || state.owes_cut() {
            files.extend(self.active.file.clone());
        }
        let dir = self.dir().to_owned();
        let dirs = if state.names > state.names_synced {
            vec![dir.clone()]
        } else {
            Vec::new()
        };
        FlushRequest {
            files,
            dirs,
            up_to_end: self.log_end,
            log_dir: dir,
            context: self.context().clone(),
            entry: None,
            journal: self.seat.as_ref().map(|seat| Arc::clone(seat.journal())),
            token: FlushToken {
                up_to_end: self.log_end,
                cuts: state.cuts,
                names: state.names,
                seals: state.seals,
                room_cuts: state.room_cuts,
                in_files: true,
                is_checkpoint,
            },
        }
    }

    /// Takes note of a flush that has succeeded. One that failed is not told: the directory's
    /// latch has closed by then.
    pub fn flushed(&mut self, token: &FlushToken) {
        let state = &mut self.flush;
        let is_whole = token.cuts == state.cuts;
        if is_whole {
            state.flushed_end = state.flushed_end.max(token.up_to_end);
            if token.in_files {
                state.file_end = state.file_end.max(token.up_to_end);
            }
        }
        state.names_synced = state.names_synced.max(token.names);
        state.room_cuts_synced = state.room_cuts_synced.max(token.room_cuts);
        state.sealed.retain(|sealed| sealed.number > token.seals);
        let flushed_end = state.flushed_end;
        if let Some(seat) = &mut self.seat {
            seat.flushed(flushed_end);
        }
        let noted = state.noted.as_ref().map(|noted| noted.note(flushed_end));
        let is_passing = token.is_checkpoint && token.up_to_end > state.checkpointed_end;
        // Of one that waits, the checkpoint has not seen all: its next one does.
        let mut waiting = state.sealed.iter();
        if is_whole && is_passing && waiting.all(|sealed| sealed.end > token.up_to_end) {
            state.checkpointed_end = token.up_to_end;
            self.note_recovery_point();
        }
        if let Some(Err(error)) = noted {
            // What is durable stays durable. A full disk ends nothing; the next note may succeed.
            let latch = &self.context().latch;
            let _ = latch.refused(
                "note a flushed end in",
                self.dir(),
                &ChangeError::Refused(error),
            );
        }
    }
}
