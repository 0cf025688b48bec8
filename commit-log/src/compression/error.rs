//! [`DecompressError`], [`CompressError`]: what can go wrong on the way out and on the way in.

use trimaran_types::record_batch::{BatchError, Compression};

/// Why the records of a compressed batch cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecompressError {
    /// They would become larger than they may: a bomb, or a batch too large for this cluster.
    #[error(
        "{compressed_bytes} bytes of {} become more than {bytes_max} bytes of records",
        codec.name()
    )]
    TooLarge {
        /// The batch's codec.
        codec: Compression,
        /// Bytes of the block.
        compressed_bytes: usize,
        /// Most bytes that may come out of it ([`super::DecompressLimits`]).
        bytes_max: usize,
    },
    /// The block is not what the codec writes.
    #[error("records are not valid {}: {cause}", codec.name())]
    Malformed {
        /// The batch's codec.
        codec: Compression,
        /// What is wrong, in the codec's own words.
        cause: String,
    },
}

/// Why records cannot be compressed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompressError {
    /// The batch was compressed already, and cannot be read.
    #[error(transparent)]
    Unreadable(#[from] DecompressError),
    /// What came out is no batch: larger than one may be, if only by a few bytes.
    #[error(transparent)]
    Unfit(#[from] BatchError),
    /// The codec failed.
    #[error("cannot compress with {}: {cause}", codec.name())]
    Failed {
        /// The codec.
        codec: Compression,
        /// The codec's own words.
        cause: String,
    },
}

/// What one codec says when it stops half way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// More would have come out than was allowed.
    TooLarge,
    /// The input is not what the codec writes.
    Malformed(String),
}

impl Fault {
    pub(super) fn malformed(cause: impl ToString) -> Self {
        Self::Malformed(cause.to_string())
    }
}
