//! [`split`]: batches that lie one behind the other.

use bytes::Bytes;

use super::batch::RecordBatch;
use super::error::BatchError;

/// The batches in `bytes`, each verified and sharing the bytes.
///
/// What does not parse is reported once, a partial batch at the end as
/// [`BatchError::Truncated`]; then the iterator ends.
#[must_use]
pub const fn split(bytes: Bytes) -> Split {
    Split { rest: bytes }
}

/// Iterator over concatenated batches; see [`split`].
#[derive(Debug, Clone)]
pub struct Split {
    rest: Bytes,
}

impl Iterator for Split {
    type Item = Result<RecordBatch, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match RecordBatch::verify_front(&self.rest) {
            Ok(header) => {
                let bytes = self.rest.split_to(header.total_bytes());
                Some(Ok(RecordBatch::from_parts(bytes, header)))
            }
            Err(error) => {
                self.rest.clear();
                Some(Err(error))
            }
        }
    }
}

impl std::iter::FusedIterator for Split {}
