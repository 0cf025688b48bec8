//! The first record at or after a moment (`ListOffsets` by timestamp).

use std::ops::ControlFlow;

use trimaran_types::record_batch::RecordBatch;
use trimaran_types::{Offset, Timestamp};

use super::index_claim::{Claim, is_true};
use super::{LogReader, ReadError, batches};
use crate::disk::OpenHow;
use crate::index::{TimeEntry, count_in_file, floor_in_file};
use crate::names::SegmentFile;
use crate::shared::{SegmentView, Shared};

impl LogReader {
    /// The first record below `before` whose timestamp is `at_least` or later, with its timestamp.
    ///
    /// Looks at the last entry of each segment's time index until one is late enough, then reads from
    /// the batch that the index names; only batches that can hold the record are decompressed. A
    /// segment whose index is missing or lies is read from its start. Memory: one read (256 KiB or one
    /// batch), and the records of one batch.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn offset_for_timestamp(
        &self,
        at_least: Timestamp,
        before: Offset,
    ) -> Result<Option<(Timestamp, Offset)>, ReadError> {
        loop {
            let log_start = self.log_start();
            match self.look_for_timestamp(at_least, before) {
                // What was looked at was deleted meanwhile.
                Err(ReadError::OutOfRange { .. }) if self.log_start() > log_start => {}
                found => return found,
            }
        }
    }

    fn look_for_timestamp(
        &self,
        at_least: Timestamp,
        before: Offset,
    ) -> Result<Option<(Timestamp, Offset)>, ReadError> {
        let (log_start, segments, newest) = {
            let state = self.shared.read();
            let pending = &state.times.pending;
            let newest = pending
                .partition_point(|e| e.timestamp <= at_least)
                .checked_sub(1);
            let newest = newest.map(|at| pending[at]);
            (
                state.log_start,
                state.segments.clone(),
                (newest, state.times.written),
            )
        };
        for (at, segment) in segments.iter().enumerate() {
            let next = segments.get(at + 1).map(|next| next.base);
            let start = match next {
                None => active_start(&self.shared, segment, newest, at_least),
                Some(next) => match sealed_start(&self.shared, segment, next, at_least) {
                    Some(start) => start,
                    None => continue,
                },
            };
            let start = start.max(log_start);
            let end = next.unwrap_or(before).min(before);
            if start >= end {
                continue;
            }
            if let Some(found) = self.search(start, end, log_start, at_least)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn search(
        &self,
        start: Offset,
        end: Offset,
        log_start: Offset,
        at_least: Timestamp,
    ) -> Result<Option<(Timestamp, Offset)>, ReadError> {
        self.walk(start, end, |batch| {
            let found = first_in_batch(&batch, log_start, at_least)?;
            Ok(found.map_or(ControlFlow::Continue(()), ControlFlow::Break))
        })
    }
}

fn first_in_batch(
    batch: &RecordBatch,
    log_start: Offset,
    at_least: Timestamp,
) -> Result<Option<(Timestamp, Offset)>, ReadError> {
    if batch.header().max_timestamp < at_least {
        return Ok(None);
    }
    for record in batches::open(batch)?.views() {
        let record = record.map_err(|error| batches::unreadable(batch, error))?;
        if record.timestamp >= at_least && record.offset >= log_start {
            return Ok(Some((record.timestamp, record.offset)));
        }
    }
    Ok(None)
}

fn offset_of(segment: &SegmentView, entry: Option<TimeEntry>) -> Offset {
    entry.map_or(segment.base, |entry| {
        segment.base.plus(i64::from(entry.last))
    })
}

/// Where to start in a finished segment, which ends at `end`; `None` when all of it is older.
fn sealed_start(
    shared: &Shared,
    segment: &SegmentView,
    end: Offset,
    at_least: Timestamp,
) -> Option<Offset> {
    // Without its index, or with one that lies, a segment is walked.
    let Some(claim) = Claim::of_whole(shared, segment, end) else {
        return Some(segment.base);
    };
    if claim.timestamp < at_least {
        return None;
    }
    let floor = || {
        let file = shared.file(segment, SegmentFile::TimeIndex, OpenHow::Existing)?;
        let count = count_in_file::<TimeEntry>(file.as_ref())?;
        floor_in_file(file.as_ref(), count, |e: TimeEntry| e.timestamp <= at_least)
    };
    let floor: Option<TimeEntry> = floor().unwrap_or(None);
    let floor = floor.filter(|entry| is_true(shared, segment, *entry));
    Some(offset_of(segment, floor))
}

/// Where to start in the segment that is being written.
fn active_start(
    shared: &Shared,
    segment: &SegmentView,
    (newest, written): (Option<TimeEntry>, usize),
    at_least: Timestamp,
) -> Offset {
    if newest.is_some() || written == 0 {
        return offset_of(segment, newest);
    }
    let floor = shared
        .file(segment, SegmentFile::TimeIndex, OpenHow::Existing)
        .and_then(|file| {
            floor_in_file(file.as_ref(), written, |e: TimeEntry| {
                e.timestamp <= at_least
            })
        });
    offset_of(
        segment,
        floor
            .unwrap_or(None)
            .filter(|entry| is_true(shared, segment, *entry)),
    )
}
