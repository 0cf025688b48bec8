//! The records of a batch without their compression, and back.

use trimaran_types::record_batch::{FilteredBatch, RecordBatch};

use super::error::RecordsError;
use crate::compression::{Codec, DecompressError, DecompressLimits, PlainRecords, decompress};

/// The records of a batch as they were before they were compressed.
pub(super) fn plain(batch: &RecordBatch) -> Result<PlainRecords, DecompressError> {
    decompress(batch, &DecompressLimits::default())
}

/// The batch of the records that stay, compressed as its source was.
///
/// # Errors
/// It would be too large: the source was near the limit, and compressed better than we do. The source
/// must not take its place, since what it holds beside these records must go.
pub(super) fn rebuild(
    source: &RecordBatch,
    kept: FilteredBatch,
) -> Result<RecordBatch, RecordsError> {
    let codec = source.header().attributes.compression();
    let built = match Codec::of(codec) {
        None => kept.build(),
        Some(level) => {
            let block = level.compress_bytes(kept.records())?;
            kept.build_compressed(codec, &block)
        }
    };
    Ok(built?)
}
