//! [`Draft`]: a record as a client sent it, in the bytes that will be stored.

use std::borrow::Cow;

use trimaran_types::limits::{RECORD_BYTES_MAX, RECORD_HEADERS_MAX};
use trimaran_types::{PartitionIndex, Timestamp};

use super::RecordError;

/// A record that has no place yet. Borrows from the request where it can.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft<'a> {
    /// The partition that the client wants; absent: the key decides, or nobody.
    pub partition: Option<PartitionIndex>,
    /// The key.
    pub key: Option<Cow<'a, [u8]>>,
    /// The value; absent: a tombstone.
    pub value: Option<Cow<'a, [u8]>>,
    /// The headers, in order.
    pub headers: Vec<DraftHeader<'a>>,
    /// When it was made; absent: now.
    pub timestamp: Option<Timestamp>,
}

/// One header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftHeader<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Its value.
    pub value: Option<Vec<u8>>,
}

impl Draft<'_> {
    /// Bytes of key, value and headers together.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        let part = |part: &Option<Cow<'_, [u8]>>| part.as_ref().map_or(0, |bytes| bytes.len());
        let headers: usize = self
            .headers
            .iter()
            .map(|header| header.name.len() + header.value.as_ref().map_or(0, Vec::len))
            .sum();
        part(&self.key) + part(&self.value) + headers
    }

    /// Checks the bounds that every record must keep.
    ///
    /// # Errors
    /// Too large, or too many headers.
    pub fn check(&self) -> Result<(), RecordError> {
        let bytes = self.payload_bytes();
        if bytes > RECORD_BYTES_MAX {
            return Err(RecordError::TooLarge {
                bytes,
                bytes_max: RECORD_BYTES_MAX,
            });
        }
        if self.headers.len() > RECORD_HEADERS_MAX {
            return Err(RecordError::TooManyHeaders {
                headers: self.headers.len(),
            });
        }
        Ok(())
    }
}
