//! [`Cleaner`]: one pass over one log.

use std::collections::HashSet;

use trimaran_types::record_batch::RecordBatch;
use trimaran_types::{Offset, Timestamp};

use super::copying::Copying;
use super::facts::{name_of, sealed};
use super::group::{GroupBounds, Member, groups};
use super::keeping::{Counted, Keeping};
use super::offset_map::OffsetMap;
use super::producers_at_end::producers_at_end;
use super::recode;
use super::segment_batches::SegmentBatches;
use super::transactions::Transactions;
use super::{
    CleanControl, CleanError, CleanInputs, CleanPlan, CleanerSettings, CompactionSettings,
};
use crate::aborted::{AbortedTransaction, aborted_between};
use crate::config::LogConfig;
use crate::index::{IndexEntry as _, OffsetEntry};
use crate::names::SegmentFile;
use crate::producers::ProducerEnd;
use crate::reader::LogReader;
use crate::shared::{SegmentView, Shared};

/// What a pass did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanReport {
    /// The log is clean below it: the whole of what was planned, or less if the map was full.
    pub clean_end: Offset,
    /// Keys in the map.
    pub keys: u64,
    /// Bytes of the map.
    pub map_bytes: u64,
    /// Bytes of the segments that were looked at.
    pub bytes_before: u64,
    /// What is left of them.
    pub bytes_after: u64,
    /// Segments that were looked at.
    pub segments_before: u64,
    /// What is left of them.
    pub segments_after: u64,
    /// Records in them.
    pub records_before: u64,
    /// Records that went.
    pub records_dropped: u64,
    /// Of those, records that had no key.
    pub records_without_key: u64,
}

/// A log that is to be cleaned.
#[derive(Debug, Clone, Copy)]
pub struct CleanJob<'a> {
    /// The log.
    pub log: &'a LogReader,
    /// Its settings.
    pub config: &'a LogConfig,
    /// What of it is to be cleaned.
    pub plan: CleanPlan,
    /// Its topic's settings.
    pub settings: &'a CompactionSettings,
    /// Where its live producers stand ([`crate::Log::producer_ends`]).
    pub producer_ends: &'a [ProducerEnd],
    /// The wall clock, for delete horizons.
    pub now: Timestamp,
}

/// The same, while it is being cleaned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) shared: &'a Shared,
    pub(super) plan: CleanPlan,
    /// The aborted transactions, in the order of their markers.
    pub(super) aborted: &'a [AbortedTransaction],
}

/// Cleans logs, one after the other, in the memory that it was given.
#[derive(Debug)]
pub struct Cleaner {
    settings: CleanerSettings,
    map: OffsetMap,
}

impl Cleaner {
    /// A cleaner that holds no memory yet.
    #[must_use]
    pub fn new(settings: CleanerSettings) -> Self {
        Self {
            map: OffsetMap::new(settings.map_bytes_max),
            settings,
        }
    }

    /// Gives the map's memory back, for a time without work.
    pub fn release_memory(&mut self) {
        self.map.release();
    }

    /// Cleans a log as planned. When it is done, the log's cleaner offset is raised, durably.
    ///
    /// # Errors
    /// See [`CleanError`]. What was swapped in before stays; the cleaner offset does not move.
    pub fn clean(
        &mut self,
        job: &CleanJob<'_>,
        control: &mut dyn CleanControl,
    ) -> Result<CleanReport, CleanError> {
        let plan = job.plan;
        let shared = job.log.shared.as_ref();
        shared.context.latch.check()?;
        let _inside = shared.cleaning.enter().ok_or(CleanError::Stopped)?;
        let aborted = aborted_between(shared, Offset::ZERO, plan.before)?;
        let task = Task {
            shared,
            plan,
            aborted: &aborted,
        };
        let sources = task.sources()?;
        let cleaned = self.pass(job, &task, &sources, control);
        cleaned.map_err(|error| task.judged(error, &sources))
    }

    fn pass(
        &mut self,
        job: &CleanJob<'_>,
        task: &Task<'_>,
        sources: &[SegmentView],
        control: &mut dyn CleanControl,
    ) -> Result<CleanReport, CleanError> {
        let live = job.producer_ends;
        let at_end = producers_at_end(task, live, sources, control)?;
        let aborted = task.aborted.iter().copied();
        let inputs = CleanInputs::new(live.iter().copied(), at_end, aborted);
        let map_end = self.fill_map(task, &inputs, sources, control)?;
        let mut keeping = Keeping {
            map: &self.map,
            map_end,
            inputs: &inputs,
            now: job.now,
            delete_retention_ms: job.settings.delete_retention_ms,
            transactions: Transactions::default(),
            latest_epoch: None,
            counted: Counted::default(),
            markers_gone: HashSet::new(),
        };
        let (mut bytes_after, mut segments_after) = (0, 0);
        for group in groups(&task.members(sources), bounds(job.config)) {
            let copying = Copying {
                task,
                end: sources
                    .get(group.end)
                    .map_or(task.plan.before, |next| next.base),
                sources: &sources[group],
                io_bytes: self.settings.io_bytes,
                interval_bytes: job.config.index_interval_bytes,
            };
            bytes_after += copying.run(&mut keeping, control)?;
            segments_after += 1;
        }
        task.note_clean(map_end)?;
        let counted = keeping.counted;
        Ok(CleanReport {
            clean_end: map_end,
            keys: self.map.len() as u64,
            map_bytes: self.map.bytes() as u64,
            bytes_before: sources.iter().map(|source| source.bytes).sum(),
            bytes_after,
            segments_before: sources.len() as u64,
            segments_after,
            records_before: counted.records,
            records_dropped: counted.dropped,
            records_without_key: counted.without_key,
        })
    }

    /// Reads the dirty part into the map. Tells up to where the map knows every key: the end of the
    /// plan, or where the map was full.
    fn fill_map(
        &mut self,
        task: &Task<'_>,
        inputs: &CleanInputs,
        sources: &[SegmentView],
        control: &mut dyn CleanControl,
    ) -> Result<Offset, CleanError> {
        let CleanPlan {
            first_dirty,
            before,
            ..
        } = task.plan;
        // The dirty part was never cleaned: it has at most one key for each offset.
        let keys = before.distance_from(first_dirty).unsigned_abs();
        self.map.clear_for(keys);
        let first = sources
            .partition_point(|source| source.base <= first_dirty)
            .saturating_sub(1);
        let ends = task.ends(sources).skip(first);
        for (source, end) in sources[first..].iter().zip(ends) {
            let io_bytes = self.settings.io_bytes;
            let mut batches = SegmentBatches::open(task.shared, source, end, io_bytes)?;
            while let Some(batch) = batches.next()? {
                task.go_on_after(batches.take_read_bytes(), control)?;
                if let Some(full) = self.note_keys(task, inputs, &batches, &batch)? {
                    return Ok(full);
                }
            }
        }
        Ok(before)
    }

    /// Notes the keys of a batch. Tells the first offset that did not fit, if there is one.
    fn note_keys(
        &mut self,
        task: &Task<'_>,
        inputs: &CleanInputs,
        batches: &SegmentBatches,
        batch: &RecordBatch,
    ) -> Result<Option<Offset>, CleanError> {
        let header = batch.header();
        if header.next_offset() <= task.plan.first_dirty
            || header.attributes.is_control()
            || header.record_count == 0
            || inputs.is_aborted(header)
        {
            return Ok(None);
        }
        let failed = |cause| CleanError::Records {
            path: batches.path().clone(),
            offset: header.base_offset,
            cause,
        };
        let plain = recode::plain(batch).map_err(|cause| failed(cause.into()))?;
        for record in plain.views() {
            let record = record.map_err(|cause| failed(cause.into()))?;
            if let Some(key) = record.key
                && record.offset >= task.plan.first_dirty
                && self.map.put(key, record.offset).is_err()
            {
                return Ok(Some(record.offset));
            }
        }
        Ok(None)
    }
}

fn bounds(config: &LogConfig) -> GroupBounds {
    GroupBounds {
        segment_bytes: config.segment_bytes,
        entries_max: u64::from(config.index_bytes_max) / OffsetEntry::BYTES as u64,
        interval_bytes: u64::from(config.index_interval_bytes),
    }
}

impl Task<'_> {
    /// The segments that the plan covers, from the one on that holds the log's start. Those before it
    /// were deleted: what a power cut brought back of them need not join, and nobody reads it.
    fn sources(&self) -> Result<Vec<SegmentView>, CleanError> {
        let state = self.shared.read();
        if state.truncations != self.plan.truncations {
            return Err(CleanError::Changed);
        }
        let sources: Vec<SegmentView> = sealed(&state.segments)
            .skip_while(|(_, end)| *end <= state.log_start)
            .take_while(|(_, end)| *end <= self.plan.before)
            .map(|(view, _)| view)
            .collect();
        if sources.is_empty() {
            return Err(CleanError::Changed);
        }
        Ok(sources)
    }

    /// Where each of the sources ends.
    fn ends(&self, sources: &[SegmentView]) -> impl Iterator<Item = Offset> {
        let next = sources[1..].iter().map(|source| source.base);
        next.chain([self.plan.before])
    }

    fn members(&self, sources: &[SegmentView]) -> Vec<Member> {
        sources
            .iter()
            .zip(self.ends(sources))
            .map(|(source, end)| Member {
                base: source.base,
                end,
                bytes: source.bytes,
            })
            .collect()
    }

    pub(super) fn go_on_after(
        &self,
        bytes: u64,
        control: &mut dyn CleanControl,
    ) -> Result<(), CleanError> {
        if bytes == 0 {
            return Ok(());
        }
        let pause = control.go_on_after(bytes).ok_or(CleanError::Stopped)?;
        if !self.shared.cleaning.pause(pause) {
            return Err(CleanError::Stopped);
        }
        if self.shared.read().truncations != self.plan.truncations {
            return Err(CleanError::Changed);
        }
        Ok(())
    }

    /// What an error means. A file that cannot be read, or not as a segment, is no damage if its
    /// segment is not in the log any more: retention or a cut has taken it, and perhaps given its name
    /// to another one.
    fn judged(&self, error: CleanError, sources: &[SegmentView]) -> CleanError {
        let Some(path) = error.damaged_file() else {
            return error;
        };
        let state = self.shared.read();
        let is_source =
            |source: &&SegmentView| self.shared.path(SegmentFile::Log, source.base) == *path;
        let is_there = sources.iter().find(is_source).is_some_and(|source| {
            let now = state.segments.iter().find(|now| now.id == source.id);
            now.is_some_and(|now| now.bytes == source.bytes)
        });
        if is_there && state.truncations == self.plan.truncations {
            error
        } else {
            CleanError::Changed
        }
    }

    /// Raises the cleaner offset, unless the log was cut meanwhile.
    fn note_clean(&self, end: Offset) -> Result<(), CleanError> {
        // A cut counts itself under this lock before it lowers the offset.
        let state = self.shared.read();
        if state.truncations != self.plan.truncations {
            return Err(CleanError::Changed);
        }
        if let Some(partition) = name_of(self.shared) {
            self.shared.context.cleaner_offsets.set(&partition, end);
        }
        drop(state);
        let context = &self.shared.context;
        let written = context.cleaner_offsets.write();
        written.map_err(|error| CleanError::of_write(&context.latch, &self.shared.dir, error))
    }
}
