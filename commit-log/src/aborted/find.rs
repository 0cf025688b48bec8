//! Finding the aborted transactions that touch a range of offsets.
//!
//! Entries stand in the order of their markers, so the search starts at the segment of the first
//! offset and goes on until an entry says that no later one can begin inside the range: its last
//! stable offset lies at or beyond the range's end (`TransactionIndex.java`). Only segments that are
//! known to have a file are looked at.

use std::io;
use std::sync::Arc;

use trimaran_types::Offset;

use super::AbortedTransaction;
use crate::damage::Damage;
use crate::disk::{DiskFile, OpenHow};
use crate::index::{IndexEntry, count_in_file};
use crate::names::SegmentFile;
use crate::reader::ReadError;
use crate::shared::{SegmentView, Shared};

/// Entries that are read at once.
const CHUNK: usize = 256;

/// How often a search starts again because the log was truncated meanwhile.
const ATTEMPTS_MAX: u32 = 100;

/// Where to look, as the state under the lock says.
struct Plan {
    generation: u64,
    /// Segments with a file, oldest first; how many entries of it count, all when `None`.
    files: Vec<(SegmentView, Option<usize>)>,
    /// What is not in a file yet.
    pending: Vec<AbortedTransaction>,
}

impl Plan {
    fn new(shared: &Shared, from: Offset) -> Self {
        let state = shared.read();
        let first = state
            .segments
            .partition_point(|segment| segment.base <= from)
            .saturating_sub(1);
        let active = state.segments.len() - 1;
        let has_file = |(at, view): (usize, &SegmentView)| {
            let count = (at == active).then_some(state.aborted.written);
            let is_there = count.map_or_else(|| state.aborted_in.contains(&view.base), |n| n > 0);
            is_there.then_some((*view, count))
        };
        Self {
            generation: state.generation,
            files: state
                .segments
                .iter()
                .enumerate()
                .skip(first)
                .filter_map(has_file)
                .collect(),
            pending: state.aborted.pending.clone(),
        }
    }
}

/// The aborted transactions that have records or their marker in `from..before`, in the order of
/// their markers.
///
/// # Errors
/// An index is damaged, or the system refused.
pub(crate) fn aborted_between(
    shared: &Shared,
    from: Offset,
    before: Offset,
) -> Result<Vec<AbortedTransaction>, ReadError> {
    for _ in 0..ATTEMPTS_MAX {
        let plan = Plan::new(shared, from);
        let generation = plan.generation;
        let result = search(shared, plan, from, before);
        if shared.read().generation == generation {
            return result;
        }
    }
    Err(ReadError::Truncating)
}

fn search(
    shared: &Shared,
    plan: Plan,
    from: Offset,
    before: Offset,
) -> Result<Vec<AbortedTransaction>, ReadError> {
    let mut found = Vec::new();
    // Tells whether nothing later can count.
    let mut take = |entry: &AbortedTransaction| {
        if entry.last >= from && entry.first < before {
            found.push(*entry);
        }
        entry.last_stable >= before
    };
    let mut is_done = false;
    for (segment, count) in plan.files {
        let Some(mut entries) = Entries::open(shared, &segment, count)? else {
            continue;
        };
        entries.skip_before(from)?;
        while !is_done && let Some(chunk) = entries.next_chunk()? {
            is_done = chunk.iter().any(&mut take);
        }
        if is_done {
            break;
        }
    }
    let mut pending = plan.pending.iter();
    while !is_done && let Some(entry) = pending.next() {
        is_done = take(entry);
    }
    Ok(found)
}

/// The entries of one file.
struct Entries<'a> {
    shared: &'a Shared,
    base: Offset,
    file: Arc<dyn DiskFile>,
    at: usize,
    count: usize,
}

impl<'a> Entries<'a> {
    fn open(
        shared: &'a Shared,
        segment: &SegmentView,
        count: Option<usize>,
    ) -> Result<Option<Self>, ReadError> {
        let opened = shared
            .file(segment, SegmentFile::Aborted, OpenHow::Existing)
            .and_then(|file| {
                let in_file = count_in_file::<AbortedTransaction>(file.as_ref())?;
                Ok((file, count.unwrap_or(in_file)))
            });
        match opened {
            Ok((file, count)) => Ok(Some(Self {
                shared,
                base: segment.base,
                file,
                at: 0,
                count,
            })),
            // Removed together with its segment.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ReadError::Io {
                path: shared.path(SegmentFile::Aborted, segment.base),
                source,
            }),
        }
    }

    fn read(&self, at: usize, count: usize) -> Result<Vec<AbortedTransaction>, ReadError> {
        let path = || self.shared.path(SegmentFile::Aborted, self.base);
        let position = (at * AbortedTransaction::BYTES) as u64;
        let mut raw = Vec::new();
        self.file
            .read_at(position, count * AbortedTransaction::BYTES, &mut raw)
            .map_err(|source| ReadError::Io {
                path: path(),
                source,
            })?;
        let entries: Vec<_> = raw
            .chunks_exact(AbortedTransaction::BYTES)
            .map_while(AbortedTransaction::take)
            .collect();
        if entries.len() == count {
            return Ok(entries);
        }
        Err(ReadError::Corrupt {
            file: path(),
            position,
            offset: self.base,
            cause: Damage::AbortedTransactions,
        })
    }

    /// Goes to the first entry whose marker is not below `from`.
    fn skip_before(&mut self, from: Offset) -> Result<(), ReadError> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.read(middle, 1)?.iter().all(|entry| entry.last < from) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        self.at = low;
        Ok(())
    }

    fn next_chunk(&mut self) -> Result<Option<Vec<AbortedTransaction>>, ReadError> {
        let count = (self.count - self.at).min(CHUNK);
        if count == 0 {
            return Ok(None);
        }
        let chunk = self.read(self.at, count)?;
        self.at += count;
        Ok(Some(chunk))
    }
}
