//! [`BatchError`]: what can be wrong with the bytes of a record batch.

use super::attributes::Compression;

/// Why bytes are not a record batch, or not one that can be read here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Fewer bytes than the batch needs: the whole header, or what the header says.
    #[error("batch is cut short: {have} of {need} bytes")]
    Truncated {
        /// Bytes at hand.
        have: usize,
        /// Bytes of the whole header or batch.
        need: usize,
    },
    /// More bytes than one batch.
    #[error("{have} bytes where one batch of {need} bytes was expected")]
    TrailingBytes {
        /// Bytes at hand.
        have: usize,
        /// Bytes of the batch.
        need: usize,
    },
    /// A length that no batch can have.
    #[error("batch length {length} is out of bounds")]
    LengthOutOfBounds {
        /// The length field, which does not count the first 12 bytes.
        length: i32,
    },
    /// A format other than v2.
    #[error("batch has magic {magic}, only 2 is supported")]
    UnsupportedMagic {
        /// The magic byte.
        magic: i8,
    },
    /// A codec that does not exist.
    #[error("batch attributes {attributes:#06x} name an unknown compression codec")]
    UnknownCompression {
        /// The attribute bits.
        attributes: i16,
    },
    /// Offsets that cannot be.
    #[error("batch has base offset {base_offset} and last offset delta {last_offset_delta}")]
    OffsetOutOfBounds {
        /// The base offset field.
        base_offset: i64,
        /// The last offset delta field.
        last_offset_delta: i32,
    },
    /// A record count that does not fit the offsets or the bytes.
    #[error(
        "batch counts {count} records in {bytes} bytes with last offset delta {last_offset_delta}"
    )]
    RecordCount {
        /// The record count field.
        count: i32,
        /// The last offset delta field.
        last_offset_delta: i32,
        /// Bytes after the header.
        bytes: usize,
    },
    /// The checksum does not fit the bytes.
    #[error("batch checksum is {stored:#010x}, its bytes give {computed:#010x}")]
    Checksum {
        /// The checksum field.
        stored: u32,
        /// CRC-32C of the bytes.
        computed: u32,
    },
    /// The records are compressed and cannot be walked as they are.
    #[error("records are compressed with {}", codec.name())]
    Compressed {
        /// The codec.
        codec: Compression,
    },
    /// A record whose bytes make no sense.
    #[error("record {number} of the batch is malformed: {what}")]
    MalformedRecord {
        /// Its place in the batch, from 0.
        number: u32,
        /// What is wrong with it.
        what: &'static str,
    },
}
