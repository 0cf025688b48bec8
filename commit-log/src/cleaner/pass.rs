//! [`Cleaner`]: one pass over one log.

use std::collections::HashSet;

use trimaran_types::record_batch::RecordBatch;
use trimaran_types::{Offset, Timestamp};

use super::facts::{name_of, sealed};
use super::group::{GroupBounds, Member, groups};
use super::keeping::{Counted, Keeping, Kept};
use super::offset_map::OffsetMap;
use super::recode;
use super::segment_batches::SegmentBatches;
use super::segment_copy::{SegmentCopy, remove_copy};
use super::transactions::Transactions;
use super::{
    CleanControl, CleanError, CleanInputs, CleanPlan, CleanedSegment, CleanerSettings,
    CompactionSettings,
};
use crate::aborted::{AbortedTransaction, aborted_between};
use crate::config::LogConfig;
use crate::index::{IndexEntry as _, OffsetEntry};
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
struct Task<'a> {
    shared: &'a Shared,
    plan: CleanPlan,
    inputs: &'a CleanInputs,
    /// The aborted transactions, in the order of their markers.
    aborted: &'a [AbortedTransaction],
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
        let CleanJob {
            config,
            plan,
            producer_ends,
            now,
            ..
        } = *job;
        let shared = job.log.shared.as_ref();
        shared.context.latch.check()?;
        let _inside = shared.cleaning.enter().ok_or(CleanError::Stopped)?;
        let aborted = aborted_between(shared, Offset::ZERO, plan.before)?;
        let inputs = CleanInputs::new(producer_ends.iter().copied(), aborted.iter().copied());
        let task = Task {
            shared,
            plan,
            inputs: &inputs,
            aborted: &aborted,
        };
        let sources = task.sources()?;
        let map_end = self.fill_map(&task, &sources, control)?;
        let mut keeping = Keeping {
            map: &self.map,
            map_end,
            inputs: &inputs,
            now,
            delete_retention_ms: job.settings.delete_retention_ms,
            transactions: Transactions::default(),
            latest_epoch: None,
            counted: Counted::default(),
            markers_gone: HashSet::new(),
        };
        let (mut bytes_after, mut segments_after) = (0, 0);
        for group in groups(&task.members(&sources), bounds(config)) {
            let copying = Copying {
                task: &task,
                end: sources.get(group.end).map_or(plan.before, |next| next.base),
                sources: &sources[group],
                io_bytes: self.settings.io_bytes,
                interval_bytes: config.index_interval_bytes,
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
                if let Some(full) = self.note_keys(task, &batches, &batch)? {
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
        batches: &SegmentBatches,
        batch: &RecordBatch,
    ) -> Result<Option<Offset>, CleanError> {
        let header = batch.header();
        if header.next_offset() <= task.plan.first_dirty
            || header.attributes.is_control()
            || header.record_count == 0
            || task.inputs.is_aborted(header)
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
    /// The segments that the plan covers, from the log's first one on.
    fn sources(&self) -> Result<Vec<SegmentView>, CleanError> {
        let state = self.shared.read();
        if state.truncations != self.plan.truncations {
            return Err(CleanError::Changed);
        }
        let sources: Vec<SegmentView> = sealed(&state.segments)
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

    fn go_on_after(&self, bytes: u64, control: &mut dyn CleanControl) -> Result<(), CleanError> {
        if bytes == 0 {
            return Ok(());
        }
        if self.shared.cleaning.is_closed() || !control.go_on_after(bytes) {
            return Err(CleanError::Stopped);
        }
        if self.shared.read().truncations != self.plan.truncations {
            return Err(CleanError::Changed);
        }
        Ok(())
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
        written.map_err(|error| CleanError::of_write(&context.latch, &self.shared.dir, &error))
    }
}

/// The copying of one group.
struct Copying<'a> {
    task: &'a Task<'a>,
    sources: &'a [SegmentView],
    /// Where the next segment begins.
    end: Offset,
    io_bytes: usize,
    interval_bytes: u32,
}

impl<'a> Copying<'a> {
    /// Copies the group and has it swapped in, unless nothing of it would change. Tells the bytes
    /// that are left.
    fn run(
        &self,
        keeping: &mut Keeping<'_>,
        control: &mut dyn CleanControl,
    ) -> Result<u64, CleanError> {
        let base = self.sources[0].base;
        let copied = self.copy(keeping, control);
        if copied.is_err() {
            remove_copy(self.task.shared, base);
        }
        let Some(bytes) = copied? else {
            return Ok(self.sources.iter().map(|source| source.bytes).sum());
        };
        let truncations = self.task.plan.truncations;
        let has_aborted = !self.aborted(keeping).is_empty();
        let cleaned = CleanedSegment::new(self.sources.to_vec(), bytes, truncations, has_aborted);
        match control.replace(cleaned) {
            Ok(replaced) => replaced.remove_old_files(),
            Err(error) => {
                remove_copy(self.task.shared, base);
                return Err(error.into());
            }
        }
        Ok(bytes)
    }

    /// Writes what stays. `None` when a single segment stays as it is; then nothing was written.
    fn copy(
        &self,
        keeping: &mut Keeping<'_>,
        control: &mut dyn CleanControl,
    ) -> Result<Option<u64>, CleanError> {
        let mut copy = match self.sources {
            [_] => None,
            _ => Some(self.create()?),
        };
        keeping.markers_gone.clear();
        for (at, source) in self.sources.iter().enumerate() {
            let next = self.sources.get(at + 1).map(|next| next.base);
            let (is_last_source, end) = (next.is_none(), next.unwrap_or(self.end));
            let mut batches = SegmentBatches::open(self.task.shared, source, end, self.io_bytes)?;
            loop {
                let position = batches.position();
                let Some(batch) = batches.next()? else { break };
                self.task.go_on_after(batches.take_read_bytes(), control)?;
                let is_last = is_last_source && batches.position() >= source.bytes;
                let kept = keeping
                    .judge(&batch, is_last)
                    .map_err(|cause| CleanError::Records {
                        path: batches.path().clone(),
                        offset: batch.header().base_offset,
                        cause,
                    })?;
                if kept != Kept::Whole && copy.is_none() {
                    copy = Some(self.create_with_front(source, position, control)?);
                }
                let written = match (&mut copy, &kept) {
                    (Some(copy), Kept::Whole) => copy.push(&batch)?,
                    (Some(copy), Kept::Part(part)) => copy.push(part)?,
                    _ => 0,
                };
                self.task.go_on_after(written, control)?;
            }
        }
        let aborted = self.aborted(keeping);
        copy.map(|copy| copy.finish(&aborted)).transpose()
    }

    /// The aborted transactions whose markers lie in the group and stay. Their records are gone, but
    /// a reader may have read them before.
    fn aborted(&self, keeping: &Keeping<'_>) -> Vec<AbortedTransaction> {
        let base = self.sources[0].base;
        let here = |entry: &&AbortedTransaction| {
            entry.last >= base
                && entry.last < self.end
                && !keeping.markers_gone.contains(&entry.last)
        };
        self.task.aborted.iter().filter(here).copied().collect()
    }

    fn create(&self) -> Result<SegmentCopy<'a>, CleanError> {
        SegmentCopy::create(
            self.task.shared,
            self.sources[0].base,
            self.io_bytes,
            self.interval_bytes,
        )
    }

    /// A copy that begins with the first `end` bytes of the source as they are.
    fn create_with_front(
        &self,
        source: &SegmentView,
        end: u64,
        control: &mut dyn CleanControl,
    ) -> Result<SegmentCopy<'a>, CleanError> {
        let mut copy = self.create()?;
        let front = SegmentBatches::open(self.task.shared, source, self.end, self.io_bytes)?;
        let mut front = front.up_to(end);
        while let Some(batch) = front.next()? {
            let bytes = front.take_read_bytes() + copy.push(&batch)?;
            self.task.go_on_after(bytes, control)?;
        }
        Ok(copy)
    }
}
