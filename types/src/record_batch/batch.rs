//! [`RecordBatch`]: one whole batch whose checksum has been verified.

use bytes::{Bytes, BytesMut};

use super::attributes::TimestampType;
use super::checksum::checksum;
use super::error::BatchError;
use super::header::{BatchHeader, CRC_AT, CRC_REGION_AT, LEADER_EPOCH_AT, MAX_TIMESTAMP_AT};
use super::record_iter::{RecordIter, RecordViews};
use super::{BATCH_HEADER_BYTES, Compression, LOG_OVERHEAD};
use crate::limits::BATCH_BYTES_MAX;
use crate::{LeaderEpoch, Offset, Timestamp};

/// One whole batch: its bytes and their decoded header. Sizes, counts and checksum are right; the
/// records themselves are judged when they are walked.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordBatch {
    bytes: Bytes,
    header: BatchHeader,
}

/// Rewrites base offset and leader epoch at the front of `batch`, both outside the checksum.
///
/// # Panics
/// `batch` is shorter than a batch header.
pub fn stamp_in_place(batch: &mut [u8], base_offset: Offset, leader_epoch: LeaderEpoch) {
    assert!(
        batch.len() >= BATCH_HEADER_BYTES,
        "a batch has at least its header"
    );
    batch[..8].copy_from_slice(&base_offset.0.to_be_bytes());
    batch[LEADER_EPOCH_AT..LEADER_EPOCH_AT + 4].copy_from_slice(&leader_epoch.0.to_be_bytes());
}

/// Checks the checksum of the batch at the front of `bytes`, whose header is `header`.
///
/// # Errors
/// The bytes are fewer than the header says, or do not give its checksum.
fn verify(bytes: &[u8], header: &BatchHeader) -> Result<(), BatchError> {
    let need = header.total_bytes();
    let region = bytes
        .get(CRC_REGION_AT..need)
        .ok_or(BatchError::Truncated {
            have: bytes.len(),
            need,
        })?;
    let computed = checksum(region);
    if computed == header.crc {
        Ok(())
    } else {
        Err(BatchError::Checksum {
            stored: header.crc,
            computed,
        })
    }
}

/// Computes the checksum of the whole batch in `batch` and writes it where it belongs.
fn write_checksum(batch: &mut [u8]) -> u32 {
    let crc = checksum(batch.get(CRC_REGION_AT..).unwrap_or_default());
    put(batch, CRC_AT, &crc.to_be_bytes());
    crc
}

/// Writes a field of the header.
fn put(batch: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(field) = batch.get_mut(at..at + bytes.len()) {
        field.copy_from_slice(bytes);
    }
}

impl RecordBatch {
    /// Takes bytes that are exactly one batch.
    ///
    /// # Errors
    /// They are not: too few or too many, fields that cannot be, or a wrong checksum.
    pub fn parse(bytes: Bytes) -> Result<Self, BatchError> {
        let header = Self::verify_front(&bytes)?;
        let need = header.total_bytes();
        if bytes.len() > need {
            return Err(BatchError::TrailingBytes {
                have: bytes.len(),
                need,
            });
        }
        Ok(Self { bytes, header })
    }

    /// Checks the batch at the front of `bytes`, checksum included, and tells its header. More
    /// bytes may follow.
    ///
    /// # Errors
    /// No whole batch is there, or a damaged one.
    pub fn verify_front(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        let header = BatchHeader::parse(bytes)?;
        verify(bytes, &header)?;
        Ok(header)
    }

    /// Wraps bytes that this crate has built or verified.
    pub(super) const fn from_parts(bytes: Bytes, header: BatchHeader) -> Self {
        Self { bytes, header }
    }

    /// The decoded header.
    #[must_use]
    pub const fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The whole batch.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The whole batch, given away.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// The same batch under another base offset and leader epoch. Copies only when someone else
    /// holds the bytes too.
    #[must_use]
    pub fn stamped(self, base_offset: Offset, leader_epoch: LeaderEpoch) -> Self {
        let mut bytes = self
            .bytes
            .try_into_mut()
            .unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        stamp_in_place(&mut bytes, base_offset, leader_epoch);
        let header = BatchHeader {
            base_offset,
            leader_epoch: Some(leader_epoch),
            ..self.header
        };
        Self {
            bytes: bytes.freeze(),
            header,
        }
    }

    /// Everything behind the header: the records, or the one block that they were compressed to.
    #[must_use]
    pub fn record_bytes(&self) -> Bytes {
        self.bytes.slice(BATCH_HEADER_BYTES.min(self.bytes.len())..)
    }

    /// A batch with the fields of `header` and these bytes behind it; length and checksum are
    /// computed, whatever `header` says.
    ///
    /// # Errors
    /// Too many bytes for a batch, or fields that contradict each other or the bytes.
    pub fn assemble(header: &BatchHeader, record_bytes: &[u8]) -> Result<Self, BatchError> {
        let total = BATCH_HEADER_BYTES.saturating_add(record_bytes.len());
        let length = i32::try_from(total.saturating_sub(LOG_OVERHEAD)).unwrap_or(i32::MAX);
        if total > BATCH_BYTES_MAX {
            return Err(BatchError::LengthOutOfBounds { length });
        }
        let header = BatchHeader {
            batch_length: length.cast_unsigned(),
            ..*header
        };
        let mut front = [0; BATCH_HEADER_BYTES];
        header.write(&mut front);
        let mut bytes = BytesMut::with_capacity(total);
        bytes.extend_from_slice(&front);
        bytes.extend_from_slice(record_bytes);
        write_checksum(&mut bytes);
        let header = BatchHeader::parse(&bytes)?;
        Ok(Self::from_parts(bytes.freeze(), header))
    }

    /// The same batch as a leader stores it under `message.timestamp.type=LogAppendTime`: every
    /// record has the time `now`. The records' own bytes stay as they are; copies only when someone
    /// else holds the bytes too.
    #[must_use]
    pub fn with_append_time(self, now: Timestamp) -> Self {
        self.rewritten(TimestampType::LogAppendTime, now)
    }

    /// The same batch under another largest timestamp, of the same origin.
    #[must_use]
    pub fn with_max_timestamp(self, max_timestamp: Timestamp) -> Self {
        if self.header.max_timestamp == max_timestamp {
            return self;
        }
        let timestamp_type = self.header.attributes.timestamp_type();
        self.rewritten(timestamp_type, max_timestamp)
    }

    fn rewritten(self, timestamp_type: TimestampType, max_timestamp: Timestamp) -> Self {
        let mut header = self.header;
        header.attributes = header.attributes.with_timestamp_type(timestamp_type);
        header.max_timestamp = max_timestamp;
        let mut bytes = self
            .bytes
            .try_into_mut()
            .unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        // Only these fields: what else a producer wrote in the header stays, even where it is odd.
        let bits = header.attributes.bits().to_be_bytes();
        put(&mut bytes, CRC_REGION_AT, &bits);
        put(&mut bytes, MAX_TIMESTAMP_AT, &max_timestamp.0.to_be_bytes());
        header.crc = write_checksum(&mut bytes);
        Self::from_parts(bytes.freeze(), header)
    }

    /// The records, each holding slices of this batch's bytes.
    ///
    /// # Errors
    /// The records are compressed.
    pub fn records(&self) -> Result<RecordIter, BatchError> {
        self.refuse_compressed()?;
        Ok(RecordIter::new(self.record_bytes(), &self.header))
    }

    /// The records, borrowed: the cheapest walk.
    ///
    /// # Errors
    /// The records are compressed.
    pub fn record_views(&self) -> Result<RecordViews<'_>, BatchError> {
        self.refuse_compressed()?;
        let records = self.bytes.get(BATCH_HEADER_BYTES..).unwrap_or_default();
        Ok(RecordViews::new(records, &self.header))
    }

    fn refuse_compressed(&self) -> Result<(), BatchError> {
        match self.header.attributes.compression() {
            Compression::None => Ok(()),
            codec => Err(BatchError::Compressed { codec }),
        }
    }
}

impl std::fmt::Debug for RecordBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordBatch")
            .field("base_offset", &self.header.base_offset.0)
            .field("last_offset", &self.header.last_offset().0)
            .field(
                "leader_epoch",
                &self.header.leader_epoch.map(|epoch| epoch.0),
            )
            .field("records", &self.header.record_count)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}
