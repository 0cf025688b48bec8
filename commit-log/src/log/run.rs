//! [`Run`]: batches that go into one segment with one write, and how a group of runs is written.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use rustix::io::Errno;
use trimaran_types::record_batch::BatchHeader;
use trimaran_types::{Offset, Timestamp};

use super::age::{AgeLimit, Began};
use super::append::AppendError;
use super::room::Room;
use super::{Active, Log};
use crate::disk::{DiskDir, DiskFile, OpenHow};
use crate::index::{IndexEntry, Indexer, OffsetEntry, TimeEntry};
use crate::names::SegmentFile;
use crate::producers::ProducerBatch;
use crate::reserve::is_full;
use crate::shared::SegmentView;

/// Batches for one segment, in order.
#[derive(Debug)]
pub(super) struct Run {
    /// Whether a new segment starts with them.
    pub rolls: bool,
    /// Where the log ends before them. A segment that starts here is named by it and not by its
    /// first batch, so that segments always join, whatever gaps a follower copies: a hole between
    /// two of them is a loss.
    pub base: Offset,
    pub headers: Vec<BatchHeader>,
    pub bytes: Bytes,
    /// What of them concerns producers.
    pub producers: Vec<ProducerBatch>,
}

/// Tells, batch by batch, where a new run and a new segment must start.
pub(super) struct RunPlanner {
    started: bool,
    rolls: bool,
    base: Offset,
    bytes: u64,
    segment_bytes: u64,
    entries_left: usize,
    entries_max: usize,
    now: Timestamp,
    /// `None` while the segment is empty.
    began: Option<Began>,
    age_limit: AgeLimit,
}

impl RunPlanner {
    pub(super) fn new(log: &mut Log, now: Timestamp) -> Self {
        let began = log.began(now);
        let index_bytes = log.config.index_bytes_max as usize;
        let state = log.shared.read();
        let room = |used: usize, entry: usize| index_bytes.saturating_sub(used) / entry;
        let entries_left = room(state.offsets.bytes(), OffsetEntry::BYTES)
            .min(room(state.times.bytes(), TimeEntry::BYTES));
        Self {
            started: false,
            rolls: false,
            base: log.active.base,
            bytes: log.active.bytes,
            segment_bytes: log.config.segment_bytes,
            entries_left,
            entries_max: index_bytes / TimeEntry::BYTES,
            now,
            began,
            age_limit: log.age_limit(),
        }
    }

    /// Whether the batch, before which the log ends at `end`, starts a run; the first one does.
    pub(super) fn starts_run(&mut self, header: &BatchHeader, end: Offset) -> bool {
        let total = header.total_bytes() as u64;
        let relative_last = header.last_offset().distance_from(self.base);
        self.rolls = self.bytes > 0
            && (self.bytes + total > self.segment_bytes
                || self.is_too_old_for(header)
                // One entry is kept for the timestamp at the end of the segment.
                || self.entries_left <= 1
                || relative_last > i64::from(i32::MAX));
        if self.rolls {
            self.base = end;
            self.bytes = 0;
            self.entries_left = self.entries_max;
            self.began = None;
        }
        self.bytes += total;
        self.entries_left = self.entries_left.saturating_sub(1);
        self.began = self.began.or(Some(Began::with(header, self.now)));
        let starts = self.rolls || !self.started;
        self.started = true;
        starts
    }

    fn is_too_old_for(&self, next: &BatchHeader) -> bool {
        self.began
            .is_some_and(|began| began.age_ms(next, self.now) > self.age_limit.ms_of(self.base))
    }

    /// Whether the last batch asked about starts a new segment.
    pub(super) const fn last_rolls(&self) -> bool {
        self.rolls
    }
}

/// Whether the system has run out of something, which it may have again later: room on the disk or
/// in a quota, or descriptors.
#[must_use]
pub fn is_exhausted(error: &io::Error) -> bool {
    const EXHAUSTED: [Errno; 5] = [
        Errno::NOSPC,
        Errno::DQUOT,
        Errno::FBIG,
        Errno::MFILE,
        Errno::NFILE,
    ];
    Errno::from_io_error(error).is_some_and(|errno| EXHAUSTED.contains(&errno))
        || error.kind() == io::ErrorKind::StorageFull
}

/// The segments that an append has begun.
#[derive(Default)]
struct Made {
    paths: Vec<PathBuf>,
    /// Their directory, opened before the first of them was made.
    names: Option<Box<dyn DiskDir>>,
}

/// A run whose bytes are in their file.
struct Written {
    run: Run,
    file: Arc<dyn DiskFile>,
}

impl Log {
    /// Writes all runs, then shows them, and tells how many bytes they have. `keeps_tail` says
    /// whether they stay in memory.
    pub(super) fn write_runs(
        &mut self,
        runs: Vec<Run>,
        now: Timestamp,
        keeps_tail: bool,
    ) -> Result<u64, AppendError> {
        let bytes: usize = runs.iter().map(|run| run.bytes.len()).sum();
        let (written, room) = self.write_files(runs, bytes)?;
        for Written { run, file } in written {
            if run.rolls {
                self.roll_to(run.base);
            }
            self.active.file = Some(file);
            self.publish(run, now, keeps_tail);
        }
        if let Some(room) = room {
            self.active.room = room;
        }
        if bytes > 0 {
            self.context().tails.enforce();
        }
        Ok(bytes as u64)
    }

    /// Writes the bytes of all runs, and room behind them where it is due, or leaves the files as
    /// they were.
    fn write_files(
        &mut self,
        runs: Vec<Run>,
        bytes: usize,
    ) -> Result<(Vec<Written>, Option<Room>), AppendError> {
        let mut written: Vec<Written> = Vec::with_capacity(runs.len());
        let mut made = Made::default();
        let mut end = self.active.bytes;
        for run in runs {
            match self.write_run(&run, end, &mut made) {
                Ok(file) => {
                    end = run.bytes.len() as u64 + if run.rolls { 0 } else { end };
                    written.push(Written { run, file });
                }
                Err(error) => return Err(self.undo(&made, &error, bytes)),
            }
        }
        self.pace.appended(bytes as u64);
        let is_used_up =
            !made.paths.is_empty() || end >= self.active.bytes + self.active.room.bytes();
        let room = match written.last() {
            Some(last) if is_used_up => self.new_room(last.file.as_ref(), end),
            _ => Ok(None),
        };
        match room {
            Ok(room) => Ok((written, room)),
            Err(error) => Err(self.undo(&made, &error, bytes)),
        }
    }

    /// Writes a run; `end` is where the file of the run before it, or the active one, ends.
    fn write_run(&mut self, run: &Run, end: u64, made: &mut Made) -> io::Result<Arc<dyn DiskFile>> {
        let (file, position) = if run.rolls {
            if made.paths.is_empty() {
                self.hold_indexes()?;
                made.names = Some(self.context().open_dir(self.dir())?);
                // Before there is a segment behind it: a finished one has no room.
                self.cut_room_behind(end)?;
            }
            let path = self.shared.path(SegmentFile::Log, run.base);
            made.paths.push(path.clone());
            (self.context().open(&path, OpenHow::Empty)?, 0)
        } else {
            (self.active_file()?, end)
        };
        file.write_all_at(position, &run.bytes)?;
        Ok(file)
    }

    /// Takes back what a failed append wrote. Anything but a full disk ends the directory.
    fn undo(&mut self, made: &Made, error: &io::Error, bytes: usize) -> AppendError {
        let dir = self.dir().to_owned();
        self.active.indexes.clear();
        if !is_exhausted(error) {
            return self.context().latch.fail("append to", &dir, error).into();
        }
        let disk = Arc::clone(&self.context().disk);
        let removed = made
            .paths
            .iter()
            .rev()
            .try_for_each(|path| match disk.remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            });
        let bytes_before = self.active.bytes;
        // Both are synced, so that what is taken back does not come back with a power cut: the caller
        // hears that nothing was written.
        let cut = match &self.active.file {
            Some(file) => file.truncate(bytes_before).and_then(|()| file.sync_data()),
            None => Ok(()),
        };
        self.active.room.gone();
        let removed = removed.and_then(|()| made.names.as_ref().map_or(Ok(()), |it| it.sync()));
        match removed.and(cut) {
            Ok(()) => AppendError::NoRoom {
                dir,
                bytes,
                disk_is_full: is_full(error),
                cause: error.to_string(),
            },
            Err(error) => self
                .context()
                .latch
                .fail("take back an append to", &dir, &error)
                .into(),
        }
    }

    /// Shows a run that is in its file to readers.
    fn publish(&mut self, run: Run, now: Timestamp, keeps_tail: bool) {
        let interval_bytes = self.config.index_interval_bytes;
        let (mut offsets, mut times) = (Vec::new(), Vec::new());
        for header in &run.headers {
            if let Some(epoch) = header.leader_epoch {
                // Both ways of appending have refused an older epoch.
                let _ = self.epochs.assign(epoch, header.base_offset);
            }
            let position = self.active.bytes;
            self.active.indexer.on_batch(
                header,
                position,
                interval_bytes,
                &mut offsets,
                &mut times,
            );
            self.active.bytes += header.total_bytes() as u64;
            self.log_end = header.next_offset();
        }
        self.active.room.used(run.bytes.len() as u64);
        let position = self.active.bytes - run.bytes.len() as u64;
        if let Some(seat) = &mut self.seat {
            if self.config.flush_messages <= 1 {
                seat.appended(position, self.log_end, &run.bytes, !keeps_tail);
            } else {
                // Many appends go into one flush: it is no small one, or nobody waits for it.
                seat.lose(self.log_end);
            }
        }
        let aborted: Vec<_> = run
            .producers
            .iter()
            .filter_map(|batch| self.producers.apply(batch, Some(now)))
            .collect();
        let began = run.headers.first().map(|first| Began::with(first, now));
        self.active.began = self.active.began.or(began);
        self.active.last_append = Some(now);
        self.shared.touch();
        let mut state = self.shared.write();
        state.offsets.pending.extend(offsets);
        state.times.pending.extend(times);
        state.aborted.pending.extend(aborted);
        let bytes = self.active.bytes;
        if let Some(segment) = state.segments.last_mut() {
            segment.bytes = bytes;
        }
        state.log_end = self.log_end;
        state.epochs = self.epochs.clone();
        let (base, end, bytes_max) = (
            run.headers[0].base_offset,
            self.log_end,
            self.config.tail_bytes_max,
        );
        self.shared.with_tail(&mut state, |tail| {
            if keeps_tail {
                tail.push(base, end, run.bytes, bytes_max);
            } else {
                // A follower's bytes share memory with a whole answer of its leader.
                tail.clear();
            }
        });
        drop(state);
        self.spill_if_many();
    }

    /// Makes the segment that starts at `base` the one that is written; its file exists.
    pub(super) fn roll_to(&mut self, base: Offset) {
        self.seal_active(base);
        self.lose_kept(base);
        let id = self.context().files.next_id();
        self.active = Active {
            id,
            base,
            file: None,
            bytes: 0,
            room: Room::none(Arc::clone(&self.context().room)),
            began: None,
            last_append: None,
            indexer: Indexer::new(base, None),
            indexes: Vec::new(),
        };
        let mut state = self.shared.write();
        state.offsets = crate::index::IndexTail::default();
        state.times = crate::index::IndexTail::default();
        state.aborted = crate::aborted::AbortedTail::default();
        state.segments.push(SegmentView { id, base, bytes: 0 });
        drop(state);
        self.flush.name_added();
    }
}
