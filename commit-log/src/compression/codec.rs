//! [`Codec`]: a way to compress, with its level.

use trimaran_types::record_batch::Compression;

use super::error::CompressError;
use super::{gzip, lz4, snappy, zstd};

/// A codec and, where it has levels, how hard it tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// gzip; 1 is fast, 9 small.
    Gzip {
        /// `compression.gzip.level`; what lies outside is taken as the nearest one.
        level: u32,
    },
    /// Snappy in xerial frames, as Kafka's Java clients write it.
    Snappy,
    /// One LZ4 frame of independent blocks of 64 KiB.
    Lz4,
    /// Zstandard, one frame that tells its size.
    Zstd {
        /// `compression.zstd.level`; what lies outside is taken as the nearest one.
        level: i32,
    },
}

impl Codec {
    /// The level of gzip where none is set; zlib's own default.
    pub const GZIP_LEVEL_DEFAULT: u32 = 6;

    /// The level of Zstandard where none is set (KIP-390).
    pub const ZSTD_LEVEL_DEFAULT: i32 = 3;

    /// The codec that a batch's attributes name, at its default level; `None` for no compression.
    #[must_use]
    pub const fn of(compression: Compression) -> Option<Self> {
        match compression {
            Compression::None => None,
            Compression::Gzip => Some(Self::Gzip {
                level: Self::GZIP_LEVEL_DEFAULT,
            }),
            Compression::Snappy => Some(Self::Snappy),
            Compression::Lz4 => Some(Self::Lz4),
            Compression::Zstd => Some(Self::Zstd {
                level: Self::ZSTD_LEVEL_DEFAULT,
            }),
        }
    }

    /// What the attributes of a batch call it.
    #[must_use]
    pub const fn compression(self) -> Compression {
        match self {
            Self::Gzip { .. } => Compression::Gzip,
            Self::Snappy => Compression::Snappy,
            Self::Lz4 => Compression::Lz4,
            Self::Zstd { .. } => Compression::Zstd,
        }
    }

    /// Compresses bytes to one block, in Kafka's framing.
    ///
    /// # Errors
    /// [`CompressError::Failed`]: the codec could not, for want of memory.
    pub fn compress_bytes(self, plain: &[u8]) -> Result<Vec<u8>, CompressError> {
        let result = match self {
            Self::Gzip { level } => gzip::compress(plain, level),
            Self::Snappy => snappy::compress(plain),
            Self::Lz4 => lz4::compress(plain),
            Self::Zstd { level } => zstd::compress(plain, level),
        };
        result.map_err(|cause| CompressError::Failed {
            codec: self.compression(),
            cause,
        })
    }
}
