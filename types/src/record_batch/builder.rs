//! [`BatchBuilder`]: records in, one batch out, in one buffer.

use bytes::Bytes;

use super::attributes::{Attributes, TimestampType};
use super::batch::RecordBatch;
use super::checksum::checksum;
use super::header::{
    BATCH_HEADER_BYTES, BatchHeader, BatchProducer, CRC_AT, CRC_REGION_AT, LOG_OVERHEAD,
};
use super::varint::{put_varint, put_varlong, varint_bytes, varlong_bytes};
use crate::limits::BATCH_BYTES_MAX;
use crate::{Offset, Timestamp};

/// The record would make the batch larger than it may be; the batch is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("batch would have {bytes} bytes, the limit is {bytes_max}")]
pub struct BatchTooLarge {
    /// Bytes that the batch would have.
    pub bytes: usize,
    /// Bytes that it may have.
    pub bytes_max: usize,
}

/// Collects records into one uncompressed batch, with base offset 0 and no leader epoch: what a
/// producer sends and a leader stamps.
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    buffer: Vec<u8>,
    bytes_max: usize,
    attributes: Attributes,
    producer: Option<BatchProducer>,
    count: u32,
    base_timestamp: Timestamp,
    max_timestamp: Timestamp,
}

impl BatchBuilder {
    /// An empty batch of at most [`BATCH_BYTES_MAX`].
    #[must_use]
    pub fn new(timestamp_type: TimestampType) -> Self {
        Self::with_bytes_max(timestamp_type, BATCH_BYTES_MAX)
    }

    /// An empty batch of at most `bytes_max`, header included; never over [`BATCH_BYTES_MAX`].
    #[must_use]
    pub fn with_bytes_max(timestamp_type: TimestampType, bytes_max: usize) -> Self {
        Self {
            buffer: vec![0; BATCH_HEADER_BYTES],
            bytes_max: bytes_max.min(BATCH_BYTES_MAX),
            attributes: Attributes::plain(timestamp_type),
            producer: None,
            count: 0,
            base_timestamp: Timestamp(-1),
            max_timestamp: Timestamp(-1),
        }
    }

    /// Marks the batch as sent by an idempotent producer.
    #[must_use]
    pub const fn producer(mut self, producer: BatchProducer) -> Self {
        self.producer = Some(producer);
        self
    }

    /// Marks the batch as part of its producer's transaction.
    #[must_use]
    pub const fn transactional(mut self) -> Self {
        self.attributes = self.attributes.transactional();
        self
    }

    /// Marks the records as markers of the cluster itself.
    #[must_use]
    pub const fn control(mut self) -> Self {
        self.attributes = self.attributes.control();
        self
    }

    /// Makes room for `bytes` of records in one step; more than the limit is not reserved.
    pub fn reserve(&mut self, bytes: usize) {
        let room = self.bytes_max.saturating_sub(self.buffer.len());
        self.buffer.reserve(bytes.min(room));
    }

    /// Appends a record.
    ///
    /// # Errors
    /// The batch would become larger than it may be.
    pub fn push(
        &mut self,
        timestamp: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) -> Result<(), BatchTooLarge> {
        let base = if self.count == 0 {
            timestamp
        } else {
            self.base_timestamp
        };
        // Wraps like the reader's addition, so that any two timestamps can share a batch.
        let time_delta = timestamp.0.wrapping_sub(base.0);
        let payload = key.map_or(0, <[u8]>::len)
            + value.map_or(0, <[u8]>::len)
            + headers
                .iter()
                .map(|(k, v)| k.len() + v.map_or(0, <[u8]>::len))
                .sum::<usize>();
        // Every length is below the limit, hence below `i32::MAX`, once the payload is.
        self.check_room(payload)?;
        let offset_delta = self.count.cast_signed();
        let body = 1
            + varlong_bytes(time_delta)
            + varint_bytes(offset_delta)
            + prefix_bytes(key)
            + prefix_bytes(value)
            + varint_bytes(length(headers.len()))
            + headers
                .iter()
                .map(|(k, v)| prefix_bytes(Some(k.as_bytes())) + prefix_bytes(*v))
                .sum::<usize>()
            + payload;
        self.check_room(body + varint_bytes(length(body)))?;

        let buffer = &mut self.buffer;
        put_varint(buffer, length(body));
        buffer.push(0);
        put_varlong(buffer, time_delta);
        put_varint(buffer, offset_delta);
        put_nullable(buffer, key);
        put_nullable(buffer, value);
        put_varint(buffer, length(headers.len()));
        for (key, value) in headers {
            put_nullable(buffer, Some(key.as_bytes()));
            put_nullable(buffer, *value);
        }
        self.max_timestamp = if self.count == 0 {
            timestamp
        } else {
            self.max_timestamp.max(timestamp)
        };
        self.base_timestamp = base;
        self.count += 1;
        Ok(())
    }

    fn check_room(&self, more: usize) -> Result<(), BatchTooLarge> {
        let bytes = self.buffer.len().saturating_add(more);
        if bytes <= self.bytes_max {
            Ok(())
        } else {
            Err(BatchTooLarge {
                bytes,
                bytes_max: self.bytes_max,
            })
        }
    }

    /// How many records were pushed.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether nothing was pushed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of the batch so far, header included.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// The finished batch; `None` when nothing was pushed.
    #[must_use]
    pub fn build(self) -> Option<RecordBatch> {
        let last_offset_delta = self.count.checked_sub(1)?;
        let mut buffer = self.buffer;
        let batch_length = u32::try_from(buffer.len() - LOG_OVERHEAD).ok()?;
        let mut header = BatchHeader {
            base_offset: Offset::ZERO,
            batch_length,
            leader_epoch: None,
            crc: 0,
            attributes: self.attributes,
            last_offset_delta,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer: self.producer,
            record_count: self.count,
        };
        header.write(buffer.first_chunk_mut()?);
        header.crc = checksum(&buffer[CRC_REGION_AT..]);
        buffer[CRC_AT..CRC_AT + 4].copy_from_slice(&header.crc.to_be_bytes());
        Some(RecordBatch::from_parts(Bytes::from(buffer), header))
    }
}

/// A length below the batch limit, as records write it.
pub(super) fn length(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}

pub(super) fn prefix_bytes(part: Option<&[u8]>) -> usize {
    part.map_or(1, |part| varint_bytes(length(part.len())))
}

pub(super) fn put_nullable(buffer: &mut Vec<u8>, part: Option<&[u8]>) {
    match part {
        None => put_varint(buffer, -1),
        Some(part) => {
            put_varint(buffer, length(part.len()));
            buffer.extend_from_slice(part);
        }
    }
}
