//! An index file against the batches of its segment.
//!
//! Zeroes at the end are room that was reserved: Kafka makes index files longer than their content
//! until the segment is finished.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use trimaran_types::{Offset, Timestamp};

use super::{Finding, OnSeen, Problem, Seen, Severity};
use crate::disk::{Disk, OpenHow};
use crate::index::{IndexEntry, OffsetEntry, TimeEntry};
use crate::names::SegmentFile;

/// Largest index that is looked at, in bytes; `segment.index.bytes` has 31 bits.
const INDEX_BYTES_MAX: u64 = i32::MAX as u64;

/// What the indexes are compared with: each batch's last offset relative to the base, its
/// position, and the largest timestamp up to it.
#[derive(Debug, Default)]
pub(super) struct Ground {
    batches: Vec<(u32, u64, Timestamp)>,
}

impl Ground {
    /// Notes a batch, in the order of the file.
    pub(super) fn add(&mut self, base: Offset, last: Offset, position: u64, max: Timestamp) {
        let Ok(relative) = u32::try_from(last.distance_from(base)) else {
            return;
        };
        let largest = self.batches.last().map_or(max, |before| before.2.max(max));
        self.batches.push((relative, position, largest));
    }

    fn ending_with(&self, last: u32) -> Option<&(u32, u64, Timestamp)> {
        let at = self
            .batches
            .binary_search_by_key(&last, |batch| batch.0)
            .ok()?;
        self.batches.get(at)
    }

    fn end(&self) -> Option<u32> {
        self.batches.last().map(|batch| batch.0)
    }
}

/// Looks at both indexes of the segment at `base`. `is_whole` says that every batch of the segment
/// is in `ground`; else entries behind the last good batch prove nothing.
pub(super) fn inspect(
    disk: &dyn Disk,
    dir: &Path,
    base: Offset,
    (ground, is_whole): (&Ground, bool),
    on_seen: &mut OnSeen<'_>,
) -> io::Result<ControlFlow<()>> {
    let is_known = |last: u32| is_whole || ground.end().is_some_and(|end| last <= end);
    let offset_problem = |number: u64, entry: OffsetEntry| {
        let found = ground.ending_with(entry.last);
        let agrees = found.is_some_and(|batch| batch.1 == u64::from(entry.position));
        (!agrees && is_known(entry.last)).then_some(Problem::NoSuchBatch {
            number,
            position: entry.position,
            last: base.plus(i64::from(entry.last)),
        })
    };
    let offset_seen = |entry: OffsetEntry| Seen::OffsetEntry {
        last: base.plus(i64::from(entry.last)),
        position: entry.position,
    };
    let file = SegmentFile::OffsetIndex.path(dir, base);
    if one(disk, &file, offset_problem, offset_seen, on_seen)?.is_break() {
        return Ok(ControlFlow::Break(()));
    }
    let time_problem = |number: u64, entry: TimeEntry| {
        let largest = ground.ending_with(entry.last).map(|batch| batch.2);
        let differs = largest != Some(entry.timestamp);
        (differs && is_known(entry.last)).then_some(Problem::WrongTimestamp {
            number,
            timestamp: entry.timestamp,
            last: base.plus(i64::from(entry.last)),
            largest,
        })
    };
    let time_seen = |entry: TimeEntry| Seen::TimeEntry {
        timestamp: entry.timestamp,
        last: base.plus(i64::from(entry.last)),
    };
    let file = SegmentFile::TimeIndex.path(dir, base);
    one(disk, &file, time_problem, time_seen, on_seen)
}

fn one<E: IndexEntry>(
    disk: &dyn Disk,
    file: &Path,
    problem: impl Fn(u64, E) -> Option<Problem>,
    seen: impl Fn(E) -> Seen<'static>,
    on_seen: &mut OnSeen<'_>,
) -> io::Result<ControlFlow<()>> {
    let open = match disk.open(file, OpenHow::Existing) {
        Ok(open) => open,
        // A finished segment may have none; readers then walk its batches.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(ControlFlow::Continue(()));
        }
        Err(error) => return Err(error),
    };
    let bytes = open.bytes()?;
    let mut report = |number: Option<u64>, problem: Problem| {
        on_seen(&Seen::Finding(&Finding {
            file: file.to_owned(),
            position: number.map(|number| number * E::BYTES as u64),
            offset: None,
            severity: Severity::Rebuilt,
            problem,
        }))
    };
    if bytes > INDEX_BYTES_MAX || bytes % E::BYTES as u64 != 0 {
        return Ok(report(None, Problem::PartialEntry { bytes }));
    }
    let mut content = Vec::new();
    let bytes_max = usize::try_from(bytes).unwrap_or(usize::MAX);
    open.read_at(0, bytes_max, &mut content)?;
    let content = without_reserved_room(&content, E::BYTES);
    let mut before: Option<E> = None;
    for (number, entry) in (0..).zip(content.chunks_exact(E::BYTES).filter_map(E::take)) {
        if before.is_some_and(|before| !entry.follows(before)) {
            // What comes after it is searched by bisection, so one such entry spoils the file.
            return Ok(report(Some(number), Problem::NotGrowing { number }));
        }
        before = Some(entry);
        if let Some(problem) = problem(number, entry)
            && report(Some(number), problem).is_break()
        {
            return Ok(ControlFlow::Break(()));
        }
    }
    for entry in content.chunks_exact(E::BYTES).filter_map(E::take) {
        if on_seen(&seen(entry)).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// The entries without the zeroes behind them. An entry of zeroes can be real only as the first.
fn without_reserved_room(content: &[u8], entry_bytes: usize) -> &[u8] {
    let used = content
        .chunks_exact(entry_bytes)
        .rposition(|entry| entry.iter().any(|byte| *byte != 0));
    let entries = used.map_or(0, |last| last + 1);
    &content[..entries * entry_bytes]
}
