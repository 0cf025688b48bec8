//! The walk that believes nothing: every batch of a segment by checksum, offset and epoch, with the
//! indexes rebuilt on the way.

use std::io;

use trimaran_types::record_batch::{BATCH_HEADER_BYTES, BatchError, BatchHeader, RecordBatch};
use trimaran_types::{LeaderEpoch, Offset};

use crate::damage::Damage;
use crate::disk::DiskFile;
use crate::epochs::{EpochCache, EpochStart};
use crate::index::{Indexer, OffsetEntry, TimeEntry};

const WINDOW_BYTES: usize = 1024 * 1024;

/// What the walk goes by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScanRules {
    /// Offsets may have gaps.
    pub compacted: bool,
    /// See `index.interval.bytes`.
    pub index_interval_bytes: u32,
}

/// Where the walk starts, and what is known there.
#[derive(Debug, Clone)]
pub(crate) struct ScanStart {
    pub position: u64,
    /// Base offset that the first batch must have.
    pub expected: Offset,
    /// Latest epoch before it.
    pub latest_epoch: Option<LeaderEpoch>,
    pub indexer: Indexer,
}

/// What the walk found.
#[derive(Debug)]
pub(crate) struct Scanned {
    /// New index entries, in order.
    pub offsets: Vec<OffsetEntry>,
    pub times: Vec<TimeEntry>,
    pub indexer: Indexer,
    /// Epochs that start in what was walked, unless they ran before.
    pub epochs: Vec<EpochStart>,
    pub batches: u64,
    /// Whether one of them names a producer.
    pub has_producers: bool,
    /// Where the good batches end, in the file and in the log.
    pub position: u64,
    pub end: Offset,
    /// Where the last of them begins, in the file and in the log.
    pub last: Option<(u64, Offset)>,
    /// Why the walk stopped before the end of the file.
    pub damage: Option<Damage>,
}

/// A piece of a file. What is reserved for it is no more than the file has.
struct Window<'a> {
    file: &'a dyn DiskFile,
    end: u64,
    buffer: Vec<u8>,
    at: u64,
}

impl Window<'_> {
    /// The bytes from `position` on, at least `need` of them unless the file ends before.
    fn from(&mut self, position: u64, need: usize) -> io::Result<&[u8]> {
        let held = |window: &Self| {
            let skip = usize::try_from(position.checked_sub(window.at)?).ok()?;
            (window.buffer.len() >= skip.checked_add(need)?).then_some(skip)
        };
        let skip = match held(self) {
            Some(skip) => skip,
            None => {
                self.buffer.clear();
                let want = need.max(WINDOW_BYTES).min(left(position, self.end));
                self.file.read_at(position, want, &mut self.buffer)?;
                self.at = position;
                0
            }
        };
        Ok(&self.buffer[skip..])
    }
}

fn left(position: u64, end: u64) -> usize {
    usize::try_from(end.saturating_sub(position)).unwrap_or(usize::MAX)
}

/// Walks the batches of a file of `bytes` bytes.
pub(crate) fn scan(
    file: &dyn DiskFile,
    bytes: u64,
    start: ScanStart,
    rules: ScanRules,
) -> io::Result<Scanned> {
    let mut window = Window {
        file,
        end: bytes,
        buffer: Vec::new(),
        at: 0,
    };
    let mut latest_epoch = start.latest_epoch;
    let mut found = Scanned {
        offsets: Vec::new(),
        times: Vec::new(),
        indexer: start.indexer,
        epochs: Vec::new(),
        batches: 0,
        has_producers: false,
        position: start.position,
        end: start.expected,
        last: None,
        damage: None,
    };
    while found.position < bytes {
        let verdict = read_batch(&mut window, found.position, bytes)?
            .and_then(|header| check_order(header, found.end, latest_epoch, rules.compacted));
        let (header, epoch) = match verdict {
            Ok(good) => good,
            Err(damage) => {
                found.damage = Some(damage);
                break;
            }
        };
        if latest_epoch != Some(epoch) {
            found.epochs.push(EpochStart {
                epoch,
                start: header.base_offset,
            });
            latest_epoch = Some(epoch);
        }
        let (offsets, times) = (&mut found.offsets, &mut found.times);
        let interval_bytes = rules.index_interval_bytes;
        found
            .indexer
            .on_batch(&header, found.position, interval_bytes, offsets, times);
        found.batches += 1;
        found.has_producers |= header.producer.is_some();
        found.last = Some((found.position, header.base_offset));
        found.position += header.total_bytes() as u64;
        found.end = header.next_offset();
    }
    Ok(found)
}

fn read_batch(
    window: &mut Window<'_>,
    position: u64,
    bytes: u64,
) -> io::Result<Result<BatchHeader, Damage>> {
    let header = match BatchHeader::parse(window.from(position, BATCH_HEADER_BYTES)?) {
        Ok(header) => header,
        Err(error) => return Ok(Err(error.into())),
    };
    let need = header.total_bytes();
    let have = left(position, bytes);
    if need > have {
        return Ok(Err(BatchError::Truncated { have, need }.into()));
    }
    Ok(RecordBatch::verify_front(window.from(position, need)?).map_err(Damage::from))
}

/// Checks that a batch may follow what came before it.
pub(crate) fn check_order(
    header: BatchHeader,
    expected: Offset,
    latest: Option<LeaderEpoch>,
    compacted: bool,
) -> Result<(BatchHeader, LeaderEpoch), Damage> {
    let found = header.base_offset;
    if found < expected || (found != expected && !compacted) {
        return Err(Damage::OffsetOutOfOrder { expected, found });
    }
    match header.leader_epoch {
        Some(epoch) if latest.is_none_or(|latest| epoch >= latest) => Ok((header, epoch)),
        found => Err(Damage::EpochOutOfOrder { latest, found }),
    }
}

/// Checks that a batch has the leader epoch that the log had at its offset, as far as that is known.
pub(crate) fn check_epoch(header: &BatchHeader, epochs: &EpochCache) -> Result<(), Damage> {
    let found = header.leader_epoch;
    match epochs.epoch_at(header.base_offset) {
        Some(expected) if found != Some(expected) => {
            Err(Damage::EpochOutOfPlace { expected, found })
        }
        _ => Ok(()),
    }
}

/// Looks for a good batch at or after `position` whose offset could follow `expected`: the sign
/// that damage before it is no torn tail. May answer yes without proof when looking costs too much.
pub(crate) fn has_good_batch_after(
    file: &dyn DiskFile,
    position: u64,
    bytes: u64,
    expected: Offset,
) -> io::Result<bool> {
    // Hostile records may hold any number of false headers; each costs a checksum.
    let mut budget = bytes.saturating_mul(4).saturating_add(64 << 20);
    let mut buffer = Vec::new();
    let mut whole = Vec::new();
    let mut at = position;
    while at.saturating_add(BATCH_HEADER_BYTES as u64) <= bytes {
        buffer.clear();
        file.read_at(at, WINDOW_BYTES.min(left(at, bytes)), &mut buffer)?;
        let Some(places) = (buffer.len() + 1).checked_sub(BATCH_HEADER_BYTES) else {
            break;
        };
        for place in (0..places).filter(|place| buffer[place + 16] == 2) {
            let Ok(header) = BatchHeader::parse(&buffer[place..]) else {
                continue;
            };
            let start = at + place as u64;
            let total = header.total_bytes() as u64;
            if header.base_offset < expected
                || header.leader_epoch.is_none()
                || start + total > bytes
            {
                continue;
            }
            let Some(left) = budget.checked_sub(total) else {
                return Ok(true);
            };
            budget = left;
            whole.clear();
            file.read_at(start, header.total_bytes(), &mut whole)?;
            if RecordBatch::verify_front(&whole).is_ok() {
                return Ok(true);
            }
        }
        if places == 0 {
            break;
        }
        at += places as u64;
    }
    Ok(false)
}
