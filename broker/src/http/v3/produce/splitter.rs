//! [`Splitter`]: JSON objects out of a stream of bytes, wherever the pieces break.
//!
//! Only finds where an object ends; what is in it is for the parser to judge. Each byte is looked at
//! once, however small the pieces are.

use bytes::{Bytes, BytesMut};
use trimaran_types::limits::RECORD_BYTES_MAX;

/// Longest text of one record: what base64 and JSON's escapes can make of the largest one, and some
/// room for the rest.
pub(super) const RECORD_TEXT_BYTES_MAX: usize = 2 * RECORD_BYTES_MAX + 64 * 1024;

/// Cuts a stream into objects.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    buffer: BytesMut,
    /// Bytes of the current object that were looked at.
    scanned: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

/// A stream that cannot be cut any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum SplitError {
    /// Something else than an object.
    #[error("expected a record, a JSON object, and got the byte {byte:#04x}")]
    NoObject {
        /// The byte.
        byte: u8,
    },
    /// An object that is longer than any record.
    #[error("a record's text is longer than {RECORD_TEXT_BYTES_MAX} bytes")]
    TooLong,
    /// The stream ended inside an object.
    #[error("the stream is not valid JSON: it ends inside a record")]
    Truncated,
}

impl Splitter {
    /// Takes the next piece of the stream.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// Bytes that wait.
    pub(super) fn buffered_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// The next whole object; `None` until more has come.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, SplitError> {
        if self.scanned == 0 && !self.skip_to_object()? {
            return Ok(None);
        }
        let rest = self.buffer.get(self.scanned..).unwrap_or_default();
        let mut end = None;
        for (place, byte) in rest.iter().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        end = Some(self.scanned + place + 1);
                        break;
                    }
                }
                _ => {}
            }
        }
        let scanned = end.unwrap_or(self.buffer.len());
        if scanned > RECORD_TEXT_BYTES_MAX {
            return Err(SplitError::TooLong);
        }
        match end {
            Some(end) => {
                self.scanned = 0;
                Ok(Some(self.buffer.split_to(end).freeze()))
            }
            None => {
                self.scanned = scanned;
                Ok(None)
            }
        }
    }

    /// The stream has ended: nothing but white space may be left.
    pub(super) fn finish(&mut self) -> Result<(), SplitError> {
        if self.scanned == 0 && !self.skip_to_object()? {
            return Ok(());
        }
        Err(SplitError::Truncated)
    }

    /// Drops white space; whether an object begins after it.
    fn skip_to_object(&mut self) -> Result<bool, SplitError> {
        let blank = |byte: &u8| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        let begin = self.buffer.iter().position(blank);
        let skipped = begin.unwrap_or(self.buffer.len());
        let _ = self.buffer.split_to(skipped);
        match self.buffer.first() {
            None => Ok(false),
            Some(b'{') => Ok(true),
            Some(byte) => Err(SplitError::NoObject { byte: *byte }),
        }
    }
}
