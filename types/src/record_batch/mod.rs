//! Record batch v2, the unit that producers send, logs keep, replicas copy and consumers read.
//!
//! The format is Kafka's, byte for byte (KIP-98; `DefaultRecordBatch.java`): a header of 61 bytes,
//! then the records. The first 17 bytes (base offset, length, leader epoch, magic) lie outside the
//! checksum, so a leader stamps a batch without touching what the producer wrote.
//!
//! Here bytes are judged before they are believed: no count or length read from a batch is used to
//! reserve memory, and no input can make the code panic.

mod attributes;
mod batch;
mod builder;
mod checksum;
mod end_marker;
mod error;
mod filtered;
mod header;
mod record;
mod record_iter;
mod split;
mod varint;

#[cfg(test)]
mod record_batch_test;
#[cfg(test)]
mod rewrite_test;

pub use attributes::{Attributes, Compression, TimestampType};
pub use batch::{RecordBatch, stamp_in_place};
pub use builder::{BatchBuilder, BatchTooLarge};
pub use end_marker::{EndMarker, TransactionEnd};
pub use error::BatchError;
pub use filtered::FilteredBatch;
pub use header::{BASE_OFFSET_BYTES, BATCH_HEADER_BYTES, BatchHeader, BatchProducer, LOG_OVERHEAD};
pub use record::{HeaderView, HeaderViews, Record, RecordHeader, RecordView};
pub use record_iter::{RecordIter, RecordViews};
pub use split::{Split, split};
pub use varint::{
    VarintError, put_varint, put_varlong, read_varint, read_varlong, varint_bytes, varlong_bytes,
};
