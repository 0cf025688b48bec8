//! [`RecordIter`] and [`RecordViews`]: the walk over the uncompressed records of one batch.
//!
//! The records lie behind the header, or in a buffer of their own where they were compressed.
//!
//! Refuses, with the record's number: lengths past the end, offsets that do not grow or leave the
//! batch, too many headers, bytes left over. After an error the walk is over.

use bytes::Bytes;

use super::attributes::TimestampType;
use super::error::BatchError;
use super::header::BatchHeader;
use super::record::{HeaderViews, Record, RecordView, take_nullable};
use super::varint::{read_varint, read_varlong};
use crate::limits::RECORD_HEADERS_MAX;
use crate::{Offset, Timestamp};

/// Where the walk stands.
#[derive(Debug, Clone)]
struct Walk {
    position: usize,
    number: u32,
    count: u32,
    delta_min: u32,
    delta_max: u32,
    base_offset: Offset,
    base_timestamp: Timestamp,
    /// What every record's timestamp is, when the leader set it.
    append_time: Option<Timestamp>,
}

impl Walk {
    fn new(header: &BatchHeader) -> Self {
        let append_time = match header.attributes.timestamp_type() {
            TimestampType::CreateTime => None,
            TimestampType::LogAppendTime => Some(header.max_timestamp),
        };
        Self {
            position: 0,
            number: 0,
            count: header.record_count,
            delta_min: 0,
            delta_max: header.last_offset_delta,
            base_offset: header.base_offset,
            base_timestamp: header.base_timestamp,
            append_time,
        }
    }

    fn next_in<'a>(&mut self, records: &'a [u8]) -> Option<Result<RecordView<'a>, BatchError>> {
        let rest = records.get(self.position..).unwrap_or_default();
        if self.number == self.count {
            self.position = records.len();
            let left_over = BatchError::MalformedRecord {
                number: self.number,
                what: "bytes are left over after the last record",
            };
            return (!rest.is_empty()).then_some(Err(left_over));
        }
        let number = self.number;
        Some(
            self.take(rest)
                .inspect(|_| self.number += 1)
                .map_err(|what| {
                    self.number = self.count;
                    self.position = records.len();
                    BatchError::MalformedRecord { number, what }
                }),
        )
    }

    fn take<'a>(&mut self, rest: &'a [u8]) -> Result<RecordView<'a>, &'static str> {
        let mut tail = rest;
        let length = read_varint(&mut tail).map_err(|_| "its length is no varint")?;
        let length = usize::try_from(length).map_err(|_| "its length is negative")?;
        let mut body = tail.get(..length).ok_or("its length runs past the batch")?;
        self.position += rest.len() - tail.len() + length;

        body = body.split_first().ok_or("it has no attributes")?.1;
        let time_delta = read_varlong(&mut body).map_err(|_| "its timestamp is no varint")?;
        let delta = read_varint(&mut body).map_err(|_| "its offset is no varint")?;
        let delta = u32::try_from(delta)
            .ok()
            .filter(|d| (self.delta_min..=self.delta_max).contains(d))
            .ok_or("its offset is out of order or outside the batch")?;
        self.delta_min = delta + 1;
        let key = take_nullable(&mut body)?;
        let value = take_nullable(&mut body)?;
        let count = read_varint(&mut body).map_err(|_| "its header count is no varint")?;
        let count = u32::try_from(count).map_err(|_| "its header count is negative")?;
        if count as usize > RECORD_HEADERS_MAX {
            return Err("it has too many headers");
        }
        // Kafka's arithmetic on timestamps wraps, and old data rests on it.
        let timestamp = Timestamp(self.base_timestamp.0.wrapping_add(time_delta));
        Ok(RecordView {
            offset: self.base_offset.plus(i64::from(delta)),
            timestamp: self.append_time.unwrap_or(timestamp),
            key,
            value,
            headers: HeaderViews::new(body, count)?,
        })
    }
}

/// The records of a batch, each sharing its bytes.
#[derive(Debug, Clone)]
pub struct RecordIter {
    bytes: Bytes,
    walk: Walk,
}

impl RecordIter {
    /// The records in `records`, uncompressed, of the batch with this header.
    #[must_use]
    pub fn new(records: Bytes, header: &BatchHeader) -> Self {
        Self {
            bytes: records,
            walk: Walk::new(header),
        }
    }
}

impl Iterator for RecordIter {
    type Item = Result<Record, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let view = self.walk.next_in(&self.bytes)?;
        Some(view.map(|view| view.to_record(&self.bytes)))
    }
}

impl std::iter::FusedIterator for RecordIter {}

/// The records of a batch, borrowed.
#[derive(Debug, Clone)]
pub struct RecordViews<'a> {
    bytes: &'a [u8],
    walk: Walk,
}

impl<'a> RecordViews<'a> {
    /// The records in `records`, uncompressed, of the batch with this header.
    #[must_use]
    pub fn new(records: &'a [u8], header: &BatchHeader) -> Self {
        Self {
            bytes: records,
            walk: Walk::new(header),
        }
    }
}

impl<'a> Iterator for RecordViews<'a> {
    type Item = Result<RecordView<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.walk.next_in(self.bytes)
    }
}

impl std::iter::FusedIterator for RecordViews<'_> {}
