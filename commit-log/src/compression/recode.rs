//! [`compress`]: a batch under another codec.

use trimaran_types::record_batch::{BatchHeader, RecordBatch};

use super::codec::Codec;
use super::decompress::decompress;
use super::error::CompressError;
use super::limits::DecompressLimits;

/// The same batch with its records compressed, whatever they were before. Offsets, timestamps,
/// producer and epoch stay; length, codec and checksum change.
///
/// # Errors
/// Its records cannot be read within `limits`, or what comes out is no batch.
pub fn compress(
    batch: &RecordBatch,
    codec: Codec,
    limits: &DecompressLimits,
) -> Result<RecordBatch, CompressError> {
    let plain = decompress(batch, limits)?;
    let block = codec.compress_bytes(plain.bytes())?;
    let attributes = plain.header().attributes;
    let header = BatchHeader {
        attributes: attributes.with_compression(codec.compression()),
        ..*plain.header()
    };
    Ok(RecordBatch::assemble(&header, &block)?)
}
