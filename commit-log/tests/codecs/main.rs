//! Batches of other implementations, and compressed batches in a log.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod golden;
mod in_log;
mod oracle;
mod produced;

use trimaran_commit_log::Codec;
use trimaran_types::record_batch::{BatchBuilder, RecordBatch, TimestampType};
use trimaran_types::{Offset, Timestamp};

const CODECS: [Codec; 4] = [
    Codec::Gzip { level: 6 },
    Codec::Snappy,
    Codec::Lz4,
    Codec::Zstd { level: 3 },
];

/// A plain batch of records with these timestamps and values, each under the key `k`.
fn batch_at(records: &[(i64, &str)]) -> RecordBatch {
    let mut builder = BatchBuilder::new(TimestampType::CreateTime);
    for (timestamp, value) in records {
        builder
            .push(
                Timestamp(*timestamp),
                Some(b"k"),
                Some(value.as_bytes()),
                &[],
            )
            .unwrap();
    }
    builder.build().unwrap()
}

fn offset(number: usize) -> Offset {
    Offset(i64::try_from(number).unwrap())
}
