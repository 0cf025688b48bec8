//! The records of a batch, compressed and not: gzip, snappy, lz4, zstd in Kafka's framing.
//!
//! A compressed batch holds its records as one block behind the header. [`decompress()`] gives the
//! records back, [`compress`] makes the block, [`TopicCompression`] says which of both a topic asks
//! for. Nothing here knows offsets or files; a batch that nobody has to look into is never opened.
//!
//! Refused by name: blocks that become too large ([`DecompressLimits`]), and blocks that are not
//! what their codec writes, including bytes left over behind the end. No length that a block claims
//! is believed before memory is reserved: what it can become is counted first, or memory grows with
//! what came out.

mod codec;
mod decompress;
mod error;
mod gzip;
mod limits;
mod lz4;
mod output;
mod recode;
mod snappy;
mod topic_compression;
mod zstd;

#[cfg(test)]
mod compression_test;

pub use codec::Codec;
pub use decompress::{PlainRecords, decompress};
pub use error::{CompressError, DecompressError};
pub use limits::DecompressLimits;
pub use recode::compress;
pub use topic_compression::{TopicCompression, UnknownCompressionType};
