//! [`BatchHeader`]: the 61 bytes in front of the records.
//!
//! | at | bytes | field |            | at | bytes | field |
//! |---|---|---|---|---|---|---|
//! | 0 | 8 | base offset |            | 27 | 8 | base timestamp |
//! | 8 | 4 | length after this field | | 35 | 8 | largest timestamp |
//! | 12 | 4 | leader epoch |          | 43 | 8 | producer id |
//! | 16 | 1 | magic, 2 |              | 51 | 2 | producer epoch |
//! | 17 | 4 | CRC-32C of all from 21 | | 53 | 4 | base sequence |
//! | 21 | 2 | attributes |            | 57 | 4 | record count |
//! | 23 | 4 | last offset delta | | | | |

use super::attributes::Attributes;
use super::error::BatchError;
use crate::limits::BATCH_BYTES_MAX;
use crate::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

/// Bytes of the header.
pub const BATCH_HEADER_BYTES: usize = 61;

/// Bytes of the base offset, with which a batch begins.
pub const BASE_OFFSET_BYTES: usize = 8;

/// Bytes of base offset and length, which the length field does not count.
pub const LOG_OVERHEAD: usize = 12;

/// The magic of this format.
pub(super) const MAGIC: i8 = 2;

/// Where the leader epoch lies.
pub(super) const LEADER_EPOCH_AT: usize = 12;

/// Where the checksum lies.
pub(super) const CRC_AT: usize = 17;

/// Where the checksummed region starts; it runs to the end of the batch.
pub(super) const CRC_REGION_AT: usize = 21;

/// Where the largest timestamp lies.
pub(super) const MAX_TIMESTAMP_AT: usize = 35;

/// Smallest record: length, attributes, two deltas, two lengths, header count, one byte each.
const RECORD_BYTES_MIN: usize = 7;

/// The idempotent producer that sent a batch (KIP-98).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BatchProducer {
    /// The producer's id, never negative.
    pub id: ProducerId,
    /// The epoch that fences earlier holders of the id.
    pub epoch: ProducerEpoch,
    /// The sequence number of the first record; wraps from `i32::MAX` to 0.
    pub base_sequence: i32,
}

/// The header of one batch, decoded. Its sizes, offsets and counts fit together; the checksum has
/// not been looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record; what producers send is 0, until the leader assigns one.
    pub base_offset: Offset,
    /// Bytes of the batch after its first 12.
    pub batch_length: u32,
    /// Epoch of the leader that appended it; `None` until one did.
    pub leader_epoch: Option<LeaderEpoch>,
    /// CRC-32C of everything from the attributes to the end.
    pub crc: u32,
    /// How to read the records.
    pub attributes: Attributes,
    /// Offset of the last place that the batch covers, relative to the base. Compaction keeps it.
    pub last_offset_delta: u32,
    /// Origin of the records' timestamps, or the delete horizon.
    pub base_timestamp: Timestamp,
    /// Largest timestamp of the records.
    pub max_timestamp: Timestamp,
    /// The idempotent producer, if one sent it.
    pub producer: Option<BatchProducer>,
    /// How many records there are; fewer than offsets only after compaction.
    pub record_count: u32,
}

fn field<const N: usize>(bytes: &[u8; BATCH_HEADER_BYTES], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

impl BatchHeader {
    /// The base offset of the batch at the front of `bytes`, of which nothing else is looked at;
    /// `None` when they are fewer than [`BASE_OFFSET_BYTES`].
    #[must_use]
    pub fn base_offset_at_front(bytes: &[u8]) -> Option<Offset> {
        let raw: &[u8; BASE_OFFSET_BYTES] = bytes.first_chunk()?;
        Some(Offset(i64::from_be_bytes(*raw)))
    }

    /// Decodes the header at the front of `bytes`; what follows it is not looked at.
    ///
    /// # Errors
    /// Fewer than 61 bytes, another magic, or fields that contradict each other or the limits.
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        let raw: &[u8; BATCH_HEADER_BYTES] = bytes.first_chunk().ok_or(BatchError::Truncated {
            have: bytes.len(),
            need: BATCH_HEADER_BYTES,
        })?;
        let magic = i8::from_be_bytes(field(raw, 16));
        if magic != MAGIC {
            return Err(BatchError::UnsupportedMagic { magic });
        }
        let length = i32::from_be_bytes(field(raw, 8));
        let batch_length = u32::try_from(length)
            .ok()
            .filter(|&l| {
                (BATCH_HEADER_BYTES..=BATCH_BYTES_MAX).contains(&(l as usize + LOG_OVERHEAD))
            })
            .ok_or(BatchError::LengthOutOfBounds { length })?;
        let base_offset = i64::from_be_bytes(field(raw, 0));
        let delta = i32::from_be_bytes(field(raw, 23));
        let last_offset_delta = u32::try_from(delta)
            .ok()
            .filter(|&d| base_offset >= 0 && base_offset < i64::MAX - i64::from(d))
            .ok_or(BatchError::OffsetOutOfBounds {
                base_offset,
                last_offset_delta: delta,
            })?;
        let attributes = Attributes::from_bits(i16::from_be_bytes(field(raw, 21)))?;
        let records_bytes = batch_length as usize + LOG_OVERHEAD - BATCH_HEADER_BYTES;
        let count = i32::from_be_bytes(field(raw, 57));
        let record_count = u32::try_from(count)
            .ok()
            .filter(|&c| u64::from(c) <= u64::from(last_offset_delta) + 1)
            .filter(|&c| {
                attributes.compression() != super::Compression::None
                    || c as usize <= records_bytes / RECORD_BYTES_MIN
            })
            .ok_or(BatchError::RecordCount {
                count,
                last_offset_delta: delta,
                bytes: records_bytes,
            })?;
        let epoch = i32::from_be_bytes(field(raw, LEADER_EPOCH_AT));
        let producer_id = i64::from_be_bytes(field(raw, 43));
        Ok(Self {
            base_offset: Offset(base_offset),
            batch_length,
            leader_epoch: (epoch >= 0).then_some(LeaderEpoch(epoch)),
            crc: u32::from_be_bytes(field(raw, CRC_AT)),
            attributes,
            last_offset_delta,
            base_timestamp: Timestamp(i64::from_be_bytes(field(raw, 27))),
            max_timestamp: Timestamp(i64::from_be_bytes(field(raw, 35))),
            producer: (producer_id >= 0).then_some(BatchProducer {
                id: ProducerId(producer_id),
                epoch: ProducerEpoch(i16::from_be_bytes(field(raw, 51))),
                base_sequence: i32::from_be_bytes(field(raw, 53)),
            }),
            record_count,
        })
    }

    /// Writes the 61 bytes, the checksum as it stands. `into` is the front of the batch.
    pub(super) fn write(&self, into: &mut [u8; BATCH_HEADER_BYTES]) {
        let mut put = |at: usize, bytes: &[u8]| into[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &self.base_offset.0.to_be_bytes());
        put(8, &self.batch_length.to_be_bytes());
        put(
            LEADER_EPOCH_AT,
            &self.leader_epoch.map_or(-1, |epoch| epoch.0).to_be_bytes(),
        );
        put(16, &MAGIC.to_be_bytes());
        put(CRC_AT, &self.crc.to_be_bytes());
        put(21, &self.attributes.bits().to_be_bytes());
        put(23, &self.last_offset_delta.to_be_bytes());
        put(27, &self.base_timestamp.0.to_be_bytes());
        put(MAX_TIMESTAMP_AT, &self.max_timestamp.0.to_be_bytes());
        let absent = BatchProducer {
            id: ProducerId(-1),
            epoch: ProducerEpoch(-1),
            base_sequence: -1,
        };
        let producer = self.producer.unwrap_or(absent);
        put(43, &producer.id.0.to_be_bytes());
        put(51, &producer.epoch.0.to_be_bytes());
        put(53, &producer.base_sequence.to_be_bytes());
        put(57, &self.record_count.to_be_bytes());
    }

    /// Bytes of the whole batch, header included; at most [`BATCH_BYTES_MAX`].
    #[must_use]
    pub const fn total_bytes(&self) -> usize {
        self.batch_length as usize + LOG_OVERHEAD
    }

    /// The last offset that the batch covers.
    #[must_use]
    pub const fn last_offset(&self) -> Offset {
        self.base_offset.plus(self.last_offset_delta as i64)
    }

    /// The first offset after the batch.
    #[must_use]
    pub const fn next_offset(&self) -> Offset {
        self.last_offset().next()
    }

    /// Whether the batch holds one record for every offset, as producers must send it. Only
    /// compaction makes others.
    #[must_use]
    pub const fn is_dense(&self) -> bool {
        self.record_count == self.last_offset_delta.saturating_add(1)
    }
}
