//! The content of a `.snapshot` file: every producer with its last batch.
//!
//! Kafka's bytes (`ProducerSnapshot.json`, version 1), big-endian: version i16, CRC-32C u32 over all
//! that follows it, count i32, then entries of 46 bytes: producer id i64, epoch i16, last sequence
//! i32, last offset i64, offset delta i32, timestamp i64, coordinator epoch i32, first offset of the
//! open transaction i64. What is absent is -1. Entries are in the order of the ids.

use std::collections::VecDeque;

use trimaran_types::{Offset, ProducerEpoch, ProducerId, Timestamp};

use super::entry::{ProducerEntry, RememberedBatch};
use super::states::ProducerStates;
use super::{PRODUCERS_MAX, Sequence};

const VERSION: i16 = 1;
const CRC_REGION_AT: usize = 6;
const ENTRIES_AT: usize = 10;
const ENTRY_BYTES: usize = 46;

/// Largest file that is read, in bytes: twice what a full state needs, for files of Kafka, which
/// knows no bound.
pub(super) const SNAPSHOT_BYTES_MAX: usize = ENTRIES_AT + 2 * PRODUCERS_MAX * ENTRY_BYTES;

/// The file's content.
pub(super) fn format(states: &ProducerStates) -> Vec<u8> {
    let all = states.sorted();
    let mut bytes = Vec::with_capacity(ENTRIES_AT + all.len() * ENTRY_BYTES);
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    let count = i32::try_from(all.len()).unwrap_or(i32::MAX);
    bytes.extend_from_slice(&count.to_be_bytes());
    for (id, entry) in all {
        let absent = RememberedBatch {
            last: Sequence::NONE,
            last_offset: Offset(-1),
            offset_delta: 0,
            timestamp: Timestamp(-1),
        };
        let last = entry.batches.back().copied().unwrap_or(absent);
        bytes.extend_from_slice(&id.0.to_be_bytes());
        bytes.extend_from_slice(&entry.epoch.0.to_be_bytes());
        bytes.extend_from_slice(&last.last.0.to_be_bytes());
        bytes.extend_from_slice(&last.last_offset.0.to_be_bytes());
        bytes.extend_from_slice(&last.offset_delta.to_be_bytes());
        bytes.extend_from_slice(&entry.last_timestamp.0.to_be_bytes());
        bytes.extend_from_slice(&entry.coordinator_epoch.unwrap_or(-1).to_be_bytes());
        let transaction_first = entry.transaction_first.map_or(-1, |first| first.0);
        bytes.extend_from_slice(&transaction_first.to_be_bytes());
    }
    let crc = crc32c::crc32c(&bytes[CRC_REGION_AT..]);
    bytes[2..CRC_REGION_AT].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// Reads the file's content; `None` when it is damaged or of another version.
pub(super) fn parse(bytes: &[u8]) -> Option<ProducerStates> {
    let (version, rest) = bytes.split_first_chunk()?;
    let (crc, region) = rest.split_first_chunk()?;
    if i16::from_be_bytes(*version) != VERSION || u32::from_be_bytes(*crc) != crc32c::crc32c(region)
    {
        return None;
    }
    let (count, entries) = region.split_first_chunk()?;
    let count = usize::try_from(i32::from_be_bytes(*count)).ok()?;
    if count.checked_mul(ENTRY_BYTES)? != entries.len() {
        return None;
    }
    // Counted by the bytes that are there, and each entry takes no more than it has for good.
    let mut states = ProducerStates::with_room(count);
    for raw in entries.chunks_exact(ENTRY_BYTES) {
        let (id, entry) = parse_entry(raw)?;
        states.restore(id, entry);
    }
    Some(states)
}

fn parse_entry(raw: &[u8]) -> Option<(ProducerId, ProducerEntry)> {
    let i64_at = |at: usize| Some(i64::from_be_bytes(*raw.get(at..)?.first_chunk()?));
    let i32_at = |at: usize| Some(i32::from_be_bytes(*raw.get(at..)?.first_chunk()?));
    let id = ProducerId(i64_at(0)?);
    let epoch = ProducerEpoch(i16::from_be_bytes(*raw.get(8..)?.first_chunk()?));
    let offset = |value: i64| (value >= 0).then_some(Offset(value));
    let mut batches = VecDeque::new();
    if let Some(last_offset) = offset(i64_at(14)?) {
        batches = VecDeque::from([RememberedBatch {
            last: Sequence(i32_at(10)?),
            last_offset,
            offset_delta: u32::try_from(i32_at(22)?).ok()?,
            timestamp: Timestamp(i64_at(26)?),
        }]);
    }
    let coordinator_epoch = i32_at(34)?;
    Some((
        id,
        ProducerEntry {
            epoch,
            may_have_more: !batches.is_empty(),
            batches,
            coordinator_epoch: (coordinator_epoch >= 0).then_some(coordinator_epoch),
            last_timestamp: Timestamp(i64_at(26)?),
            transaction_first: offset(i64_at(38)?),
            last_seen: None,
        },
    ))
}
