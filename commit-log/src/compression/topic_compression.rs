//! [`TopicCompression`]: `compression.type` of a topic, and what it makes of a batch.

use trimaran_types::record_batch::{Compression, RecordBatch};

use super::codec::Codec;
use super::decompress::decompress;
use super::error::CompressError;
use super::limits::DecompressLimits;
use super::recode::compress;

/// How a topic wants its batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TopicCompression {
    /// As their producer sent them.
    #[default]
    Producer,
    /// Not compressed.
    Uncompressed,
    /// Under one codec.
    Codec(Codec),
}

/// The name is none of Kafka's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "compression.type is '{name}', expected 'producer', 'uncompressed', 'gzip', 'snappy', 'lz4' \
     or 'zstd'"
)]
pub struct UnknownCompressionType {
    /// The name.
    pub name: String,
}

impl std::str::FromStr for TopicCompression {
    type Err = UnknownCompressionType;

    fn from_str(name: &str) -> Result<Self, UnknownCompressionType> {
        let codec = |compression| Codec::of(compression).map(Self::Codec);
        match name {
            "producer" => Some(Self::Producer),
            "uncompressed" => Some(Self::Uncompressed),
            "gzip" => codec(Compression::Gzip),
            "snappy" => codec(Compression::Snappy),
            "lz4" => codec(Compression::Lz4),
            "zstd" => codec(Compression::Zstd),
            _ => None,
        }
        .ok_or_else(|| UnknownCompressionType {
            name: name.to_owned(),
        })
    }
}

impl TopicCompression {
    /// The same codec at another level, where it has levels.
    #[must_use]
    pub fn with_levels(self, gzip: Option<u32>, zstd: Option<i32>) -> Self {
        match self {
            Self::Codec(Codec::Gzip { level }) => Self::Codec(Codec::Gzip {
                level: gzip.unwrap_or(level),
            }),
            Self::Codec(Codec::Zstd { level }) => Self::Codec(Codec::Zstd {
                level: zstd.unwrap_or(level),
            }),
            other => other,
        }
    }

    /// Whether a batch may stay as it is.
    #[must_use]
    pub fn suits(self, batch: &RecordBatch) -> bool {
        let compression = batch.header().attributes.compression();
        match self {
            Self::Producer => true,
            Self::Uncompressed => compression == Compression::None,
            Self::Codec(codec) => compression == codec.compression(),
        }
    }

    /// The batch as the topic wants it; untouched, byte for byte, when it is so already. A batch
    /// that its codec does not make smaller stays uncompressed, so that no batch grows past the
    /// bounds that it was built under.
    ///
    /// # Errors
    /// Its records cannot be read within `limits`, or become too large for a batch.
    pub fn apply(
        self,
        batch: RecordBatch,
        limits: &DecompressLimits,
    ) -> Result<RecordBatch, CompressError> {
        if self.suits(&batch) {
            return Ok(batch);
        }
        let plain = match batch.header().attributes.compression() {
            Compression::None => batch,
            _ => decompress(&batch, limits)?.to_batch()?,
        };
        let Self::Codec(codec) = self else {
            return Ok(plain);
        };
        match compress(&plain, codec, limits) {
            Ok(smaller) if smaller.bytes().len() < plain.bytes().len() => Ok(smaller),
            Ok(_) | Err(CompressError::Unfit(_)) => Ok(plain),
            Err(error) => Err(error),
        }
    }
}
