//! [`decompress`]: the records of a batch as they were before they were compressed.

use bytes::Bytes;
use trimaran_types::record_batch::{
    BatchError, BatchHeader, Compression, RecordBatch, RecordIter, RecordViews,
};

use super::error::{DecompressError, Fault};
use super::limits::DecompressLimits;
use super::{gzip, lz4, snappy, zstd};

/// The records of one batch, uncompressed, with the batch's header. The records themselves are
/// judged when they are walked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainRecords {
    header: BatchHeader,
    bytes: Bytes,
}

/// Gives the records of a batch. Those that are not compressed share the batch's bytes.
///
/// # Errors
/// They become larger than `limits` allow, or are not what the codec writes.
pub fn decompress(
    batch: &RecordBatch,
    limits: &DecompressLimits,
) -> Result<PlainRecords, DecompressError> {
    let header = *batch.header();
    let block = batch.record_bytes();
    let codec = header.attributes.compression();
    if block.is_empty() && header.record_count == 0 {
        // What compaction leaves of a batch has no block, whatever its codec was.
        let bytes = block;
        return Ok(PlainRecords { header, bytes });
    }
    let bytes_max = limits.bytes_max_of(block.len());
    let plain = match codec {
        Compression::None => {
            return Ok(PlainRecords {
                header,
                bytes: block,
            });
        }
        Compression::Gzip => gzip::decompress(&block, bytes_max),
        Compression::Snappy => snappy::decompress(&block, bytes_max),
        Compression::Lz4 => lz4::decompress(&block, bytes_max),
        Compression::Zstd => zstd::decompress(&block, bytes_max),
    };
    let plain = plain.map_err(|fault| match fault {
        Fault::TooLarge => DecompressError::TooLarge {
            codec,
            compressed_bytes: block.len(),
            bytes_max,
        },
        Fault::Malformed(cause) => DecompressError::Malformed { codec, cause },
    })?;
    Ok(PlainRecords {
        header,
        bytes: Bytes::from(plain),
    })
}

impl PlainRecords {
    /// The header of the batch that they are in; it still names the batch's codec and length.
    #[must_use]
    pub const fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// Their bytes, one record behind the other.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The records, borrowed: the cheapest walk.
    #[must_use]
    pub fn views(&self) -> RecordViews<'_> {
        RecordViews::new(&self.bytes, &self.header)
    }

    /// The records, each holding slices of these bytes.
    #[must_use]
    pub fn records(&self) -> RecordIter {
        RecordIter::new(self.bytes.clone(), &self.header)
    }

    /// The same batch, not compressed.
    ///
    /// # Errors
    /// It is too large for a batch, or its records are fewer than it counts.
    pub fn to_batch(&self) -> Result<RecordBatch, BatchError> {
        let attributes = self.header.attributes.with_compression(Compression::None);
        let header = BatchHeader {
            attributes,
            ..self.header
        };
        RecordBatch::assemble(&header, &self.bytes)
    }
}
