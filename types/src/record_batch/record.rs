//! [`Record`] and its borrowed form [`RecordView`]: one record of a batch.

use bytes::Bytes;

use super::varint::read_varint;
use crate::{Offset, Timestamp};

/// One record, sharing the bytes of its batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place in the log.
    pub offset: Offset,
    /// When it was made, or appended; which of the two, the batch says.
    pub timestamp: Timestamp,
    /// The key, if there is one.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// The headers, in order; keys may repeat.
    pub headers: Vec<RecordHeader>,
}

/// One header of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordHeader {
    /// The key; UTF-8 by contract, which nobody on the way enforces.
    pub key: Bytes,
    /// The value, if there is one.
    pub value: Option<Bytes>,
}

/// One record, borrowed from its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordView<'a> {
    /// Its place in the log.
    pub offset: Offset,
    /// When it was made, or appended; which of the two, the batch says.
    pub timestamp: Timestamp,
    /// The key, if there is one.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers, in order.
    pub headers: HeaderViews<'a>,
}

/// One header, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderView<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value, if there is one.
    pub value: Option<&'a [u8]>,
}

/// The headers of one record, borrowed; an iterator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderViews<'a> {
    raw: &'a [u8],
    remaining: u32,
}

impl<'a> HeaderViews<'a> {
    /// Takes `count` headers that fill `raw` exactly.
    pub(super) fn new(raw: &'a [u8], count: u32) -> Result<Self, &'static str> {
        let mut rest = raw;
        for _ in 0..count {
            take_header(&mut rest)?;
        }
        if rest.is_empty() {
            Ok(Self {
                raw,
                remaining: count,
            })
        } else {
            Err("bytes are left over after the headers")
        }
    }

    /// How many are still to come.
    #[must_use]
    pub const fn count_left(&self) -> u32 {
        self.remaining
    }
}

impl<'a> Iterator for HeaderViews<'a> {
    type Item = HeaderView<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.remaining = self.remaining.checked_sub(1)?;
        take_header(&mut self.raw).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining as usize, Some(self.remaining as usize))
    }
}

fn take_header<'a>(rest: &mut &'a [u8]) -> Result<HeaderView<'a>, &'static str> {
    let key = take_nullable(rest)?.ok_or("a header has no key")?;
    Ok(HeaderView {
        key,
        value: take_nullable(rest)?,
    })
}

/// Takes a length and that many bytes; -1 means none.
pub(super) fn take_nullable<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, &'static str> {
    let length = read_varint(rest).map_err(|_| "a length is no varint")?;
    if length == -1 {
        return Ok(None);
    }
    let length = usize::try_from(length).map_err(|_| "a length is negative")?;
    let (taken, left) = rest
        .split_at_checked(length)
        .ok_or("a length runs past the record")?;
    *rest = left;
    Ok(Some(taken))
}

impl RecordView<'_> {
    /// The same record as slices of `batch`, which it was borrowed from.
    pub(super) fn to_record(self, batch: &Bytes) -> Record {
        let share = |part: &[u8]| batch.slice_ref(part);
        Record {
            offset: self.offset,
            timestamp: self.timestamp,
            key: self.key.map(share),
            value: self.value.map(share),
            headers: self
                .headers
                .map(|header| RecordHeader {
                    key: share(header.key),
                    value: header.value.map(share),
                })
                .collect(),
        }
    }
}
