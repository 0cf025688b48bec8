//! [`FilteredBatch`]: what compaction keeps of a batch, as a batch of its own.
//!
//! Keeps the place of the source in the log: base offset, last offset, leader epoch, producer. What
//! is kept keeps its offset, so gaps appear. Refuses nothing but a batch that would be too large.

use bytes::Bytes;

use super::attributes::{Compression, TimestampType};
use super::batch::RecordBatch;
use super::builder::{BatchTooLarge, length, prefix_bytes, put_nullable};
use super::checksum::checksum;
use super::header::{BATCH_HEADER_BYTES, BatchHeader, CRC_AT, CRC_REGION_AT, LOG_OVERHEAD};
use super::record::RecordView;
use super::varint::{put_varint, put_varlong, varint_bytes, varlong_bytes};
use crate::Timestamp;
use crate::limits::BATCH_BYTES_MAX;

/// Collects the records of one batch that stay.
#[derive(Debug)]
pub struct FilteredBatch {
    source: BatchHeader,
    base_timestamp: Timestamp,
    has_new_horizon: bool,
    /// Room for the header, then the records.
    buffer: Vec<u8>,
    count: u32,
    max_timestamp: Option<Timestamp>,
}

impl FilteredBatch {
    /// Nothing of the batch with this header stays yet.
    #[must_use]
    pub fn of(source: &BatchHeader) -> Self {
        Self {
            source: *source,
            base_timestamp: source.base_timestamp,
            has_new_horizon: false,
            buffer: vec![0; BATCH_HEADER_BYTES],
            count: 0,
            max_timestamp: None,
        }
    }

    /// From `horizon` on, the batch's tombstones and markers may go (KIP-534). It takes the place
    /// of the base timestamp, so it must be set before the first record is pushed.
    #[must_use]
    pub const fn delete_horizon(mut self, horizon: Timestamp) -> Self {
        self.base_timestamp = horizon;
        self.has_new_horizon = true;
        self
    }

    /// Keeps a record of the source; they come in the order of their offsets.
    pub fn push(&mut self, record: &RecordView<'_>) {
        let time_delta = record.timestamp.0.wrapping_sub(self.base_timestamp.0);
        let delta = record.offset.distance_from(self.source.base_offset);
        // A record of the source lies within its last offset delta, which is an i32.
        let offset_delta = i32::try_from(delta).unwrap_or(i32::MAX);
        let headers = record.headers;
        let header_count = i32::try_from(headers.count_left()).unwrap_or(i32::MAX);
        let body = 1
            + varlong_bytes(time_delta)
            + varint_bytes(offset_delta)
            + part_bytes(record.key)
            + part_bytes(record.value)
            + varint_bytes(header_count)
            + headers
                .map(|header| part_bytes(Some(header.key)) + part_bytes(header.value))
                .sum::<usize>();
        let buffer = &mut self.buffer;
        put_varint(buffer, length(body));
        buffer.push(0);
        put_varlong(buffer, time_delta);
        put_varint(buffer, offset_delta);
        put_nullable(buffer, record.key);
        put_nullable(buffer, record.value);
        put_varint(buffer, header_count);
        for header in headers {
            put_nullable(buffer, Some(header.key));
            put_nullable(buffer, header.value);
        }
        self.max_timestamp = self.max_timestamp.max(Some(record.timestamp));
        self.count += 1;
    }

    /// How many records stay.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether none does.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The kept records as they would be compressed.
    #[must_use]
    pub fn records(&self) -> &[u8] {
        &self.buffer[BATCH_HEADER_BYTES..]
    }

    /// The batch, its records not compressed.
    ///
    /// # Errors
    /// It would be larger than a batch may be.
    pub fn build(self) -> Result<RecordBatch, BatchTooLarge> {
        self.finish(Compression::None)
    }

    /// The batch with `compressed` in place of [`Self::records`], which `codec` made of them.
    ///
    /// # Errors
    /// It would be larger than a batch may be.
    pub fn build_compressed(
        mut self,
        codec: Compression,
        compressed: &[u8],
    ) -> Result<RecordBatch, BatchTooLarge> {
        self.buffer.truncate(BATCH_HEADER_BYTES);
        self.buffer.extend_from_slice(compressed);
        self.finish(codec)
    }

    fn finish(self, codec: Compression) -> Result<RecordBatch, BatchTooLarge> {
        let mut buffer = self.buffer;
        let too_large = BatchTooLarge {
            bytes: buffer.len(),
            bytes_max: BATCH_BYTES_MAX,
        };
        let batch_length = buffer
            .len()
            .checked_sub(LOG_OVERHEAD)
            .filter(|_| buffer.len() <= BATCH_BYTES_MAX)
            .and_then(|length| u32::try_from(length).ok())
            .ok_or(too_large)?;
        let source = self.source;
        let is_append_time = source.attributes.timestamp_type() == TimestampType::LogAppendTime;
        // Without records there is nothing to delete and nothing to compress.
        let is_empty = self.count == 0;
        let has_horizon = source.attributes.has_delete_horizon() || self.has_new_horizon;
        let mut header = BatchHeader {
            batch_length,
            attributes: source
                .attributes
                .with_compression(if is_empty { Compression::None } else { codec })
                .with_delete_horizon(has_horizon && !is_empty),
            base_timestamp: if is_empty {
                source.max_timestamp
            } else {
                self.base_timestamp
            },
            max_timestamp: match self.max_timestamp {
                Some(largest) if !is_append_time => largest,
                _ => source.max_timestamp,
            },
            record_count: self.count,
            crc: 0,
            ..source
        };
        if let Some(front) = buffer.first_chunk_mut() {
            header.write(front);
        }
        header.crc = checksum(&buffer[CRC_REGION_AT..]);
        buffer[CRC_AT..CRC_AT + 4].copy_from_slice(&header.crc.to_be_bytes());
        Ok(RecordBatch::from_parts(Bytes::from(buffer), header))
    }
}

fn part_bytes(part: Option<&[u8]>) -> usize {
    prefix_bytes(part) + part.map_or(0, <[u8]>::len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record_batch::{BatchBuilder, BatchProducer};
    use crate::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

    fn source() -> RecordBatch {
        let producer = BatchProducer {
            id: ProducerId(7),
            epoch: ProducerEpoch(1),
            base_sequence: 3,
        };
        let mut builder = BatchBuilder::new(TimestampType::CreateTime).producer(producer);
        for (timestamp, key, value) in [(10, "a", Some("1")), (30, "b", None), (20, "c", Some(""))]
        {
            builder
                .push(
                    Timestamp(timestamp),
                    Some(key.as_bytes()),
                    value.map(str::as_bytes),
                    &[("h", Some(b"x")), ("i", None)],
                )
                .unwrap();
        }
        builder.build().unwrap().stamped(Offset(40), LeaderEpoch(2))
    }

    #[test]
    fn what_is_kept_keeps_its_place() {
        let source = source();
        let horizon = Timestamp(5_000);
        let mut kept = FilteredBatch::of(source.header()).delete_horizon(horizon);
        let views: Vec<_> = source.record_views().unwrap().map(Result::unwrap).collect();
        views[1..].iter().for_each(|record| kept.push(record));
        let kept = RecordBatch::parse(kept.build().unwrap().into_bytes()).unwrap();
        let header = kept.header();
        assert_eq!(
            (header.base_offset, header.last_offset()),
            (Offset(40), Offset(42))
        );
        assert_eq!(
            (header.leader_epoch, header.producer),
            (Some(LeaderEpoch(2)), source.header().producer)
        );
        assert_eq!((header.record_count, header.max_timestamp.0), (2, 30));
        assert!(header.attributes.has_delete_horizon());
        assert_eq!(header.base_timestamp, horizon);
        let again: Vec<_> = kept.record_views().unwrap().map(Result::unwrap).collect();
        assert_eq!(again.len(), 2);
        for (kept, source) in again.iter().zip(&views[1..]) {
            assert_eq!(
                (kept.offset, kept.timestamp),
                (source.offset, source.timestamp)
            );
            assert_eq!((kept.key, kept.value), (source.key, source.value));
            assert!(kept.headers.eq(source.headers));
        }
    }

    #[test]
    fn an_empty_batch_says_where_it_was() {
        let source = source();
        let empty = FilteredBatch::of(source.header())
            .delete_horizon(Timestamp(9))
            .build()
            .unwrap();
        let header = *RecordBatch::parse(empty.into_bytes()).unwrap().header();
        assert_eq!(header.total_bytes(), BATCH_HEADER_BYTES);
        assert_eq!((header.record_count, header.last_offset_delta), (0, 2));
        assert_eq!(header.producer, source.header().producer);
        assert_eq!((header.base_timestamp.0, header.max_timestamp.0), (30, 30));
        assert!(!header.attributes.has_delete_horizon());
    }

    #[test]
    fn untouched_records_are_the_same_bytes() {
        let source = source();
        let mut kept = FilteredBatch::of(source.header());
        for record in source.record_views().unwrap() {
            kept.push(&record.unwrap());
        }
        assert_eq!(kept.build().unwrap(), source);
    }
}
