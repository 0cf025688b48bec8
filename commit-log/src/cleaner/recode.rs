//! The records of a batch without their compression, and back.

use trimaran_types::record_batch::{FilteredBatch, RecordBatch};

use crate::compression::{Codec, DecompressError, DecompressLimits, PlainRecords, decompress};

/// The records of a batch as they were before they were compressed.
pub(super) fn plain(batch: &RecordBatch) -> Result<PlainRecords, DecompressError> {
    decompress(batch, &DecompressLimits::default())
}

/// The batch of the records that stay, compressed as its source was. `None` when it would be too
/// large: then the source was at the limit and stays as it is.
pub(super) fn rebuild(source: &RecordBatch, kept: FilteredBatch) -> Option<RecordBatch> {
    let codec = source.header().attributes.compression();
    match Codec::of(codec) {
        None => kept.build().ok(),
        Some(level) => {
            let block = level.compress_bytes(kept.records()).ok()?;
            kept.build_compressed(codec, &block).ok()
        }
    }
}
