//! Finding the aborted transactions that touch a range of offsets.
//!
//! Entries stand in the order of their markers, so the search starts at the segment of the first
//! offset and goes on until an entry says that no later one can begin inside the range: its last
//! stable offset lies at or beyond the range's end (`TransactionIndex.java`). Only segments that are
//! known to have a file are looked at, and those must have one.
//!
//! A file that is read whole is believed only if it has the checksum that is known of it. Small ones
//! always are, and all that the cleaner looks at: it removes records by them. Of larger ones a reader
//! takes the entries that it needs, where the start has verified the whole.

use std::sync::Arc;

use trimaran_types::Offset;

use super::{AbortedSum, AbortedTransaction};
use crate::damage::Damage;
use crate::disk::{DiskFile, OpenHow};
use crate::index::IndexEntry;
use crate::names::SegmentFile;
use crate::reader::ReadError;
use crate::shared::{SegmentView, Shared};

/// Entries that are read at once.
const CHUNK: usize = 256;

/// Most entries of a file that is read whole by whoever needs some of it: 68 KiB.
const WHOLE_ENTRIES_MAX: usize = 8 * CHUNK;

/// How often a search starts again because the log was truncated meanwhile.
const ATTEMPTS_MAX: u32 = 100;

/// Where to look, as the state under the lock says.
struct Plan {
    generation: u64,
    /// Segments with a file, oldest first, and what it holds.
    files: Vec<(SegmentView, AbortedSum)>,
    /// What is not in a file yet.
    pending: Vec<AbortedTransaction>,
}

impl Plan {
    fn new(shared: &Shared, from: Offset) -> Self {
        let state = shared.read();
        // What lies below the log's start was deleted, and may be there in part.
        let from = from.max(state.log_start);
        let first = state
            .segments
            .partition_point(|segment| segment.base <= from)
            .saturating_sub(1);
        let active = state.segments.len() - 1;
        let has_file = |(at, view): (usize, &SegmentView)| {
            let sum = match at == active {
                true => state.aborted.written,
                false => *state.aborted_in.get(&view.base)?,
            };
            (sum.entries > 0).then_some((*view, sum))
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
    for (segment, sum) in plan.files {
        let mut entries = Entries::open(shared, &segment, sum)?;
        // The cleaner asks from the beginning on.
        if sum.entries > WHOLE_ENTRIES_MAX && from > Offset::ZERO {
            entries.skip_before(from)?;
        }
        while (!is_done || entries.is_whole())
            && let Some(chunk) = entries.next_chunk()?
        {
            is_done = is_done || chunk.iter().any(&mut take);
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
    /// What the file holds.
    sum: AbortedSum,
    /// Of the entries up to here; `None` when not all are read.
    so_far: Option<AbortedSum>,
}

impl<'a> Entries<'a> {
    fn open(shared: &'a Shared, segment: &SegmentView, sum: AbortedSum) -> Result<Self, ReadError> {
        let opened = shared.file(segment, SegmentFile::Aborted, OpenHow::Existing);
        let file = opened.map_err(|source| ReadError::Io {
            path: shared.path(SegmentFile::Aborted, segment.base),
            source,
        })?;
        Ok(Self {
            shared,
            base: segment.base,
            file,
            at: 0,
            sum,
            so_far: Some(AbortedSum::default()),
        })
    }

    /// Whether all entries are read, so that the last chunk tells whether any was to be believed.
    const fn is_whole(&self) -> bool {
        self.so_far.is_some()
    }

    fn corrupt(&self, position: u64) -> ReadError {
        ReadError::Corrupt {
            file: self.shared.path(SegmentFile::Aborted, self.base),
            position,
            offset: self.base,
            cause: Damage::AbortedTransactions,
        }
    }

    fn read(&self, at: usize, count: usize) -> Result<Vec<AbortedTransaction>, ReadError> {
        let position = (at * AbortedTransaction::BYTES) as u64;
        let mut raw = Vec::new();
        self.file
            .read_at(position, count * AbortedTransaction::BYTES, &mut raw)
            .map_err(|source| ReadError::Io {
                path: self.shared.path(SegmentFile::Aborted, self.base),
                source,
            })?;
        let entries: Vec<_> = raw
            .chunks_exact(AbortedTransaction::BYTES)
            .map_while(AbortedTransaction::take)
            .collect();
        if entries.len() == count {
            return Ok(entries);
        }
        Err(self.corrupt(position))
    }

    /// Goes to the first entry whose marker is not below `from`, and does without the checksum.
    fn skip_before(&mut self, from: Offset) -> Result<(), ReadError> {
        let (mut low, mut high) = (0, self.sum.entries);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.read(middle, 1)?.iter().all(|entry| entry.last < from) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        self.at = low;
        self.so_far = None;
        Ok(())
    }

    fn next_chunk(&mut self) -> Result<Option<Vec<AbortedTransaction>>, ReadError> {
        let count = (self.sum.entries - self.at).min(CHUNK);
        if count == 0 {
            return Ok(None);
        }
        let chunk = self.read(self.at, count)?;
        self.at += count;
        self.so_far = self.so_far.map(|sum| sum.with(&chunk));
        let is_other = self.so_far.is_some_and(|sum| sum != self.sum);
        if self.at == self.sum.entries && is_other {
            return Err(self.corrupt(0));
        }
        Ok(Some(chunk))
    }
}
