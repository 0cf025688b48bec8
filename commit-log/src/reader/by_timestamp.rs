//! The first record at or after a moment (`ListOffsets` by timestamp).

use trimaran_types::record_batch::{RecordBatch, split};
use trimaran_types::{Offset, Timestamp};

use super::{LogReader, ReadError, find_batch};
use crate::compression::{DecompressLimits, decompress};
use crate::damage::Damage;
use crate::disk::OpenHow;
use crate::index::{TimeEntry, count_in_file, floor_in_file, last_in_file};
use crate::names::SegmentFile;
use crate::shared::{SegmentView, Shared};

const READ_BYTES: usize = 256 * 1024;

impl LogReader {
    /// The first record below `before` whose timestamp is `at_least` or later, with its timestamp.
    /// Only a batch that can hold it is decompressed.
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
                Some(_) => match sealed_start(&self.shared, segment, at_least) {
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
        let mut from = start;
        while from < end {
            let bytes = self.read(from, end, READ_BYTES)?;
            let before = from;
            // Read back verified, so every one of them parses.
            for batch in split(bytes).map_while(Result::ok) {
                if let Some(found) = first_in_batch(&batch, log_start, at_least)? {
                    return Ok(Some(found));
                }
                from = batch.header().next_offset();
            }
            if from == before {
                break;
            }
        }
        Ok(None)
    }
}

fn first_in_batch(
    batch: &RecordBatch,
    log_start: Offset,
    at_least: Timestamp,
) -> Result<Option<(Timestamp, Offset)>, ReadError> {
    let header = batch.header();
    if header.max_timestamp < at_least {
        return Ok(None);
    }
    let unreadable = |cause: Damage| ReadError::Records {
        offset: header.base_offset,
        cause,
    };
    let records = decompress(batch, &DecompressLimits::default())
        .map_err(|error| unreadable(error.into()))?;
    for record in records.views() {
        let record = record.map_err(|error| unreadable(error.into()))?;
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

/// Whether the batch that an entry names is there and has its timestamp.
pub(crate) fn is_true(shared: &Shared, segment: &SegmentView, entry: TimeEntry) -> bool {
    let last = segment.base.plus(i64::from(entry.last));
    matches!(find_batch(shared, last), Ok(Some(found))
        if found.segment.id == segment.id
            && found.placed.header.last_offset() == last
            && found.placed.header.max_timestamp == entry.timestamp)
}

/// Where to start in a finished segment; `None` when all of it is older.
fn sealed_start(shared: &Shared, segment: &SegmentView, at_least: Timestamp) -> Option<Offset> {
    let file = shared.file(segment, SegmentFile::TimeIndex, OpenHow::Existing);
    // Without its index, or with one that lies, a segment is walked.
    let Ok(file) = file else {
        return Some(segment.base);
    };
    match last_in_file::<TimeEntry>(file.as_ref()) {
        Ok(Some(last)) if is_true(shared, segment, last) => {
            if last.timestamp < at_least {
                return None;
            }
        }
        _ => return Some(segment.base),
    }
    let count = count_in_file::<TimeEntry>(file.as_ref()).unwrap_or(0);
    let floor = floor_in_file(file.as_ref(), count, |e: TimeEntry| e.timestamp <= at_least);
    Some(offset_of(
        segment,
        floor
            .unwrap_or(None)
            .filter(|entry| is_true(shared, segment, *entry)),
    ))
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
