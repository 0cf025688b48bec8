//! A walk over the batches of a log, and the records of one of them.

use std::ops::ControlFlow;

use trimaran_types::Offset;
use trimaran_types::record_batch::{RecordBatch, split};

use super::{LogReader, ReadError};
use crate::compression::{DecompressLimits, PlainRecords, decompress};
use crate::damage::Damage;

/// Bytes of one read; a larger batch is read whole.
const READ_BYTES: usize = 256 * 1024;

impl LogReader {
    /// Shows the verified batches from the one that holds `from` on, all that end at or before
    /// `before`, until `look` has what it wants.
    pub(super) fn walk<T>(
        &self,
        from: Offset,
        before: Offset,
        mut look: impl FnMut(RecordBatch) -> Result<ControlFlow<T>, ReadError>,
    ) -> Result<Option<T>, ReadError> {
        let mut from = from;
        while from < before {
            let began = from;
            let bytes = self.read(from, before, READ_BYTES)?;
            // Read back verified, so every one of them parses.
            for batch in split(bytes).map_while(Result::ok) {
                from = batch.header().next_offset();
                if let ControlFlow::Break(found) = look(batch)? {
                    return Ok(Some(found));
                }
            }
            if from == began {
                break;
            }
        }
        Ok(None)
    }
}

/// A batch whose records cannot be read.
pub(super) fn unreadable(batch: &RecordBatch, cause: impl Into<Damage>) -> ReadError {
    ReadError::Records {
        offset: batch.header().base_offset,
        cause: cause.into(),
    }
}

/// The records of a batch, decompressed.
pub(super) fn open(batch: &RecordBatch) -> Result<PlainRecords, ReadError> {
    decompress(batch, &DecompressLimits::default()).map_err(|error| unreadable(batch, error))
}
