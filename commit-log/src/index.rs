//! The two indexes of a segment: offset to position, and timestamp to offset.
//!
//! Kafka's files: entries of 8 and 12 bytes, big-endian, both columns growing. They carry no
//! checksum, so whoever uses an entry checks it against the batch that it points to. New entries
//! wait in memory and go to the file some hundreds at a time, those of both indexes together.

use std::io;

use trimaran_types::record_batch::BatchHeader;
use trimaran_types::{Offset, Timestamp};

use crate::disk::DiskFile;

/// What a record without a timestamp says.
const NO_TIMESTAMP: Timestamp = Timestamp(-1);

/// One entry of an index file.
pub(crate) trait IndexEntry: Copy + PartialEq {
    /// Bytes in the file.
    const BYTES: usize;
    /// Appends the entry to `into`.
    fn put(self, into: &mut Vec<u8>);
    /// Decodes an entry from exactly [`Self::BYTES`].
    fn take(bytes: &[u8]) -> Option<Self>;
    /// Whether `self` may come right after `before`.
    fn follows(self, before: Self) -> bool;
}

/// A batch's last offset, relative to the segment's base, and where the batch starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    pub last: u32,
    pub position: u32,
}

/// The largest timestamp so far, and the last offset of the batch that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    pub timestamp: Timestamp,
    pub last: u32,
}

impl IndexEntry for OffsetEntry {
    const BYTES: usize = 8;

    fn put(self, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.last.to_be_bytes());
        into.extend_from_slice(&self.position.to_be_bytes());
    }

    fn take(bytes: &[u8]) -> Option<Self> {
        let (last, position) = bytes.split_first_chunk()?;
        Some(Self {
            last: u32::from_be_bytes(*last),
            position: u32::from_be_bytes(position.try_into().ok()?),
        })
    }

    fn follows(self, before: Self) -> bool {
        self.last > before.last && self.position > before.position
    }
}

impl IndexEntry for TimeEntry {
    const BYTES: usize = 12;

    fn put(self, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.timestamp.0.to_be_bytes());
        into.extend_from_slice(&self.last.to_be_bytes());
    }

    fn take(bytes: &[u8]) -> Option<Self> {
        let (timestamp, last) = bytes.split_first_chunk()?;
        Some(Self {
            timestamp: Timestamp(i64::from_be_bytes(*timestamp)),
            last: u32::from_be_bytes(last.try_into().ok()?),
        })
    }

    fn follows(self, before: Self) -> bool {
        self.timestamp > before.timestamp && self.last > before.last
    }
}

/// The index of the segment that is being written: entries in the file, and those still waiting.
#[derive(Debug, Clone)]
pub(crate) struct IndexTail<E> {
    pub written: usize,
    pub pending: Vec<E>,
}

impl<E> Default for IndexTail<E> {
    fn default() -> Self {
        Self {
            written: 0,
            pending: Vec::new(),
        }
    }
}

impl<E: IndexEntry> IndexTail<E> {
    /// Bytes of the whole index.
    pub(crate) const fn bytes(&self) -> usize {
        (self.written + self.pending.len()) * E::BYTES
    }

    /// The waiting entries as the file has them.
    pub(crate) fn encode_pending(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.pending.len() * E::BYTES);
        self.pending.iter().for_each(|entry| entry.put(&mut bytes));
        bytes
    }
}

/// Reads the entry at `at` (counted in entries) from an index file.
fn entry_at<E: IndexEntry>(file: &dyn DiskFile, at: usize) -> io::Result<Option<E>> {
    let mut bytes = Vec::with_capacity(E::BYTES);
    file.read_at((at * E::BYTES) as u64, E::BYTES, &mut bytes)?;
    Ok(E::take(&bytes))
}

/// The last of the first `count` entries for which `is_at_most` holds, which it does for a run at
/// the front.
pub(crate) fn floor_in_file<E: IndexEntry>(
    file: &dyn DiskFile,
    count: usize,
    is_at_most: impl Fn(E) -> bool,
) -> io::Result<Option<E>> {
    Ok(around_in_file(file, count, is_at_most)?.0)
}

/// The same, and the entry behind it among them.
pub(crate) fn around_in_file<E: IndexEntry>(
    file: &dyn DiskFile,
    count: usize,
    is_at_most: impl Fn(E) -> bool,
) -> io::Result<(Option<E>, Option<E>)> {
    let (mut low, mut high) = (0, count);
    let (mut found, mut behind) = (None, None);
    while low < high {
        let middle = low + (high - low) / 2;
        match entry_at::<E>(file, middle)? {
            Some(entry) if is_at_most(entry) => {
                found = Some(entry);
                low = middle + 1;
            }
            entry => {
                behind = entry;
                high = middle;
            }
        }
    }
    Ok((found, behind))
}

/// The last whole entry of an index file.
pub(crate) fn last_in_file<E: IndexEntry>(file: &dyn DiskFile) -> io::Result<Option<E>> {
    match count_in_file::<E>(file)?.checked_sub(1) {
        Some(at) => entry_at(file, at),
        None => Ok(None),
    }
}

/// How many whole entries an index file has.
pub(crate) fn count_in_file<E: IndexEntry>(file: &dyn DiskFile) -> io::Result<usize> {
    Ok(usize::try_from(file.bytes()?).unwrap_or(0) / E::BYTES)
}

/// All entries of an index file; `None` when it is longer than `bytes_max`, ends inside an entry,
/// or its columns do not grow.
pub(crate) fn load<E: IndexEntry>(
    file: &dyn DiskFile,
    bytes_max: u64,
) -> io::Result<Option<Vec<E>>> {
    let bytes = file.bytes()?;
    if bytes > bytes_max || bytes % E::BYTES as u64 != 0 {
        return Ok(None);
    }
    let mut raw = Vec::new();
    file.read_at(0, usize::try_from(bytes).unwrap_or(0), &mut raw)?;
    let entries: Vec<E> = raw.chunks_exact(E::BYTES).filter_map(E::take).collect();
    let grows = entries.windows(2).all(|pair| pair[1].follows(pair[0]));
    Ok(grows.then_some(entries))
}

/// Decides which batches get an entry: the same while appending and while rebuilding.
#[derive(Debug, Clone)]
pub(crate) struct Indexer {
    base: Offset,
    bytes_since_entry: u64,
    /// The largest timestamp of the segment and the last offset of the first batch that has it. A batch
    /// whose records have none, which its header tells by a number below 0, does not count: Kafka gives it
    /// no entry either.
    largest: Option<(Timestamp, Offset)>,
    last_time_entry: Option<Timestamp>,
}

impl Indexer {
    /// For a segment that starts at `base`, from its first batch on, or from a batch right after
    /// `last_time_entry` was made.
    pub(crate) fn new(base: Offset, last_time_entry: Option<TimeEntry>) -> Self {
        Self {
            base,
            bytes_since_entry: 0,
            largest: last_time_entry.map(|e| (e.timestamp, base.plus(i64::from(e.last)))),
            last_time_entry: last_time_entry.map(|e| e.timestamp),
        }
    }

    /// Takes note of the batch at `position` and pushes the entries that are due.
    pub(crate) fn on_batch(
        &mut self,
        header: &BatchHeader,
        position: u64,
        interval_bytes: u32,
        offsets: &mut Vec<OffsetEntry>,
        times: &mut Vec<TimeEntry>,
    ) {
        let floor = self
            .largest
            .map_or(NO_TIMESTAMP, |(timestamp, _)| timestamp);
        if header.max_timestamp > floor {
            self.largest = Some((header.max_timestamp, header.last_offset()));
        }
        if self.bytes_since_entry > u64::from(interval_bytes)
            && let (Some(last), Ok(position)) =
                (self.relative(header.last_offset()), u32::try_from(position))
        {
            offsets.push(OffsetEntry { last, position });
            times.extend(self.take_time_entry());
            self.bytes_since_entry = 0;
        }
        self.bytes_since_entry += header.total_bytes() as u64;
    }

    /// The entry for the largest timestamp, unless the index has it.
    pub(crate) fn take_time_entry(&mut self) -> Option<TimeEntry> {
        let (timestamp, offset) = self.largest?;
        if self.last_time_entry.is_some_and(|last| last >= timestamp) {
            return None;
        }
        let last = self.relative(offset)?;
        self.last_time_entry = Some(timestamp);
        Some(TimeEntry { timestamp, last })
    }

    /// The largest timestamp so far; `None` without a record that has one.
    pub(crate) fn largest_timestamp(&self) -> Option<Timestamp> {
        self.largest.map(|(timestamp, _)| timestamp)
    }

    fn relative(&self, offset: Offset) -> Option<u32> {
        u32::try_from(offset.distance_from(self.base)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_kafkas_bytes() {
        let mut bytes = Vec::new();
        OffsetEntry {
            last: 0x0102,
            position: 0x0304_0506,
        }
        .put(&mut bytes);
        assert_eq!(bytes, [0, 0, 1, 2, 3, 4, 5, 6]);
        let mut bytes = Vec::new();
        TimeEntry {
            timestamp: Timestamp(0x0102),
            last: 7,
        }
        .put(&mut bytes);
        assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 7]);
        assert_eq!(
            TimeEntry::take(&bytes).map(|e| (e.timestamp.0, e.last)),
            Some((0x0102, 7))
        );
    }
}
