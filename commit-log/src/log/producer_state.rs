//! How a log keeps what it knows about producers: at the roll of a segment, at a truncation, for
//! readers, for the cleaner.

use std::io;
use std::sync::Arc;

use trimaran_types::record_batch::{BatchHeader, EndMarker, RecordBatch};
use trimaran_types::{Offset, ProducerId, Timestamp};

use super::Log;
use super::replay::{Replay, read_producer_batch};
use super::run::is_exhausted;
use crate::aborted::AbortedTransaction;
use crate::disk::{DiskDir, DiskFile, OpenHow};
use crate::header_hop::{HeaderHop, HopError};
use crate::index::{self, IndexEntry, IndexTail};
use crate::names::SegmentFile;
use crate::producers::{
    Draft, Origin, ProducerBatch, ProducerEnd, ProducerRefusal, ProducerStates,
};
use crate::reader::{ReadError, find_batch};
use crate::shared::SegmentView;

/// How far back in the log older batches of a producer are looked for, step by step, in offsets. Only
/// the last step may have more batches than are looked at.
const LOOK_BACK_OFFSETS: [i64; 4] = [1 << 10, 1 << 14, 1 << 16, 1 << 18];

/// Most batches that are looked at in one step.
const LOOK_BACK_BATCHES_MAX: usize = 100_000;

impl Log {
    /// Where every producer stands that the log remembers, by id.
    #[must_use]
    pub fn producer_ends(&self) -> Vec<ProducerEnd> {
        self.producers.ends()
    }

    /// The first offset of the first transaction that is open, or whose end the high watermark has
    /// not passed. Readers of committed records stop there, or at the high watermark.
    #[must_use]
    pub fn first_unstable_offset(&self) -> Option<Offset> {
        self.producers.first_unstable()
    }

    /// Takes note of the high watermark: transactions that ended below it hold nobody back.
    pub fn high_watermark_passed(&mut self, high_watermark: Offset) {
        self.producers.forget_ended_before(high_watermark);
    }

    /// Which of some clients' batches [`Log::append_as_leader`] would refuse because of their
    /// producers, if each group were appended after those that are not refused. Writes nothing. `now` is
    /// the wall clock.
    #[must_use]
    pub fn producer_refusals(
        &mut self,
        groups: &[&[RecordBatch]],
        now: Timestamp,
    ) -> Vec<Option<ProducerRefusal>> {
        let has_producer = |batch: &RecordBatch| batch.header().producer.is_some();
        if !groups.iter().any(|group| group.iter().any(has_producer)) {
            return vec![None; groups.len()];
        }
        for group in groups {
            self.prepare_producers(group, now);
        }
        let mut draft = Draft::new(&self.producers, Origin::Client);
        let mut next = self.log_end;
        groups
            .iter()
            .map(|group| {
                let before = draft.clone();
                for batch in *group {
                    let header = BatchHeader {
                        base_offset: next,
                        ..*batch.header()
                    };
                    let judged = read_producer_batch(&header, batch)
                        .map_or(Ok(()), |batch| draft.check(&batch).map(drop));
                    if let Err(refusal) = judged {
                        draft = before;
                        return Some(refusal);
                    }
                    next = header.next_offset();
                }
                None
            })
            .collect()
    }

    /// Takes a snapshot of the producers for a segment that starts at `base`, unsynced. A full disk
    /// costs the next start some time; any other refusal ends the directory.
    pub(super) fn snapshot_producers(&mut self, base: Offset) -> Option<Arc<dyn DiskFile>> {
        let disk = Arc::clone(&self.context().disk);
        let dir = self.dir().to_owned();
        let written = self
            .snapshots
            .write(disk.as_ref(), &dir, &self.producers, base);
        match written {
            Ok(file) => Some(file),
            Err(error) if !is_exhausted(&error) => {
                let latch = &self.context().latch;
                latch.fail("write a snapshot of producers in", &dir, &error);
                None
            }
            Err(error) => {
                // A restart starts from an earlier one.
                tracing::warn!(dir = %dir.display(), %error, "producer snapshot not written");
                if let Err(error) = self.snapshots.remove(disk.as_ref(), &dir, base) {
                    self.context()
                        .latch
                        .fail("remove a snapshot of", &dir, &error);
                }
                None
            }
        }
    }

    /// The producers as they stood when the log ended at `end`.
    pub(super) fn producers_before(&mut self, end: Offset) -> Result<ProducerStates, ReadError> {
        if self.producers.is_empty() {
            return Ok(ProducerStates::default());
        }
        let disk = Arc::clone(&self.context().disk);
        let dir = self.dir().to_owned();
        let segments: Vec<_> = {
            let state = self.shared.read();
            let views = state.segments.iter();
            views.map(|view| (view.base, view.bytes)).collect()
        };
        let loaded = self
            .snapshots
            .load(disk.as_ref(), &dir, end)
            .map_err(|source| ReadError::Io {
                path: dir.clone(),
                source,
            })?;
        // One from before the first segment is out of date.
        let first = segments[0].0;
        let loaded = loaded.filter(|(_, end)| *end >= first);
        let (mut states, from) = loaded.unwrap_or_else(|| (ProducerStates::default(), first));
        let replay = Replay {
            disk: disk.as_ref(),
            dir: &dir,
            segments: &segments,
            verified_from: Offset(i64::MAX),
            gaps_allowed: self.config.compacted,
        };
        replay.run(from, end, &mut states, &mut |_, _| {})?;
        Ok(states)
    }

    /// Removes the snapshots of a log that reached beyond `end`, durably.
    pub(super) fn remove_snapshots_beyond(
        &mut self,
        end: Offset,
        names: &dyn DiskDir,
    ) -> io::Result<()> {
        let disk = Arc::clone(&self.context().disk);
        let dir = self.dir().to_owned();
        if self.snapshots.remove_beyond(disk.as_ref(), &dir, end)? {
            names.sync()?;
        }
        Ok(())
    }

    /// The file of a segment's aborted transactions, if it has one; `same` says that the segment is
    /// the one that is written.
    pub(super) fn open_aborted(
        &self,
        segment: &SegmentView,
        same: bool,
    ) -> io::Result<Option<Arc<dyn DiskFile>>> {
        let has_file = {
            let state = self.shared.read();
            match same {
                true => state.aborted.written > 0,
                false => state.aborted_in.contains(&segment.base),
            }
        };
        let open = || {
            self.shared
                .file(segment, SegmentFile::Aborted, OpenHow::OrCreate)
        };
        has_file.then(open).transpose()
    }

    /// Cuts the aborted transactions that end at or beyond `end` out of the segment that is active
    /// from now on, and of `file`, if they have one; `same` says that it was before.
    pub(super) fn cut_aborted(
        &self,
        segment: &SegmentView,
        end: Offset,
        same: bool,
        file: Option<&dyn DiskFile>,
    ) -> io::Result<()> {
        let mut tail = {
            let mut state = self.shared.write();
            let _ = state.aborted_in.split_off(&segment.base);
            if same {
                std::mem::take(&mut state.aborted)
            } else {
                IndexTail::default()
            }
        };
        tail.pending.retain(|entry| entry.last < end);
        if let Some(file) = file {
            let entries = index::load::<AbortedTransaction>(file, file.bytes()?)?;
            tail.written = entries
                .unwrap_or_default()
                .partition_point(|entry| entry.last < end);
            file.truncate((tail.written * AbortedTransaction::BYTES) as u64)?;
        }
        self.shared.write().aborted = tail;
        Ok(())
    }

    /// Brings the state up to what is needed to judge clients' batches.
    pub(super) fn prepare_producers(&mut self, batches: &[RecordBatch], now: Timestamp) {
        if batches
            .iter()
            .any(|batch| batch.header().producer.is_some())
        {
            self.expire_producers(now);
            self.look_back_for(batches);
        }
    }

    /// Forgets producers that were not heard of for long.
    pub(super) fn expire_producers(&mut self, now: Timestamp) {
        self.producers
            .expire(now, self.config.producer_id_expiration_ms);
    }

    /// Looks in the log for what the batches may repeat, where a snapshot had only the producer's
    /// last batch. Done once for a producer; what is not found is refused as out of order.
    fn look_back_for(&mut self, batches: &[RecordBatch]) {
        for batch in batches {
            let Some(batch) = read_producer_batch(batch.header(), batch) else {
                continue;
            };
            let Some(before) = self.producers.look_back_before(&batch) else {
                continue;
            };
            match self.earlier_batches(batch.producer, before) {
                Ok(found) => self.producers.looked_back(batch.producer, &found),
                Err(error) => {
                    tracing::warn!(dir = %self.dir().display(), %error, producer = %batch.producer, "earlier batches of a producer cannot be read");
                }
            }
        }
    }

    /// Batches of a producer right before `before`, oldest first: as many as are remembered, or
    /// what there is. A step that had to end early came from the far end and knows nothing of what is
    /// near: what the step before it has found stands.
    fn earlier_batches(
        &self,
        producer: ProducerId,
        before: Offset,
    ) -> Result<Vec<ProducerBatch>, ReadError> {
        let start = self.log_start;
        let mut found = Vec::new();
        for distance in LOOK_BACK_OFFSETS {
            let from = Offset(before.0.saturating_sub(distance)).max(start);
            let Some(all) = self.batches_of(producer, from, before)? else {
                break;
            };
            found = all;
            if found.len() >= crate::producers::BATCHES_REMEMBERED || from == start {
                break;
            }
        }
        Ok(found)
    }

    /// A producer's batches between two offsets, oldest first; `None` when there are more batches
    /// between them than are looked at.
    fn batches_of(
        &self,
        producer: ProducerId,
        from: Offset,
        before: Offset,
    ) -> Result<Option<Vec<ProducerBatch>>, ReadError> {
        let mut found = Vec::new();
        let mut looked_at = 0;
        let mut next = from;
        while next < before
            && let Some(batch) = find_batch(&self.shared, next)?
        {
            let (segment, first) = (batch.segment, batch.placed);
            let path = self.shared.path(SegmentFile::Log, segment.base);
            let io_error = |source| ReadError::Io {
                path: path.clone(),
                source,
            };
            let file = self
                .shared
                .file(&segment, SegmentFile::Log, OpenHow::Existing)
                .map_err(io_error)?;
            for step in HeaderHop::new(file.as_ref(), first.position, segment.bytes) {
                let header = match step {
                    Ok(placed) => placed.header,
                    Err(HopError::Io(source)) => return Err(io_error(source)),
                    Err(HopError::Batch { position, cause }) => {
                        return Err(ReadError::Corrupt {
                            file: path,
                            position,
                            offset: next,
                            cause: cause.into(),
                        });
                    }
                };
                next = header.next_offset();
                looked_at += 1;
                if header.base_offset >= before {
                    return Ok(Some(found));
                }
                if looked_at > LOOK_BACK_BATCHES_MAX {
                    return Ok(None);
                }
                if header.producer.is_some_and(|other| other.id == producer) {
                    found.extend(ProducerBatch::of(&header, || None::<EndMarker>));
                }
            }
        }
        Ok(Some(found))
    }
}
