//! [`admit_produced`]: a batch from outside, judged record by record before it may be appended; and
//! [`admit_unopened`], which leaves compressed records to their readers.
//!
//! The rules are those of Kafka's `LogValidator`. A log's reader rests on them: offsets are assigned
//! by arithmetic on the header, so a header that lies about its records would give two records one
//! offset. What the cluster builds itself need not pass here.

use trimaran_types::record_batch::{BatchError, Compression, RecordBatch, TimestampType};
use trimaran_types::{KafkaError, Offset, ProducerId, Timestamp};

use crate::compression::{
    CompressError, DecompressError, DecompressLimits, TopicCompression, decompress,
};
use crate::timestamp_bounds::{TimestampBounds, TimestampOutOfBounds};

/// A producer that has no time to give says this.
const NO_TIMESTAMP: Timestamp = Timestamp(-1);

/// What a topic asks of the batches that producers send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProducedRules {
    /// Every record needs a key, since the newest of each key is kept (`cleanup.policy`).
    pub compacted: bool,
    /// The codec that the topic wants (`compression.type`).
    pub compression: TopicCompression,
    /// How large the records of a compressed batch may become.
    pub limits: DecompressLimits,
    /// How far timestamps may lie from this wall clock; `None` takes every one.
    pub timestamps: Option<(TimestampBounds, Timestamp)>,
}

/// Why a producer's batch is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProducedError {
    /// The leader assigns offsets; a producer counts from 0.
    #[error("batch has base offset {base_offset}, a producer's has 0")]
    BaseOffset {
        /// The base offset.
        base_offset: Offset,
    },
    /// Not one record for every offset, or none at all.
    #[error("batch counts {count} records with last offset delta {last_offset_delta}")]
    RecordCount {
        /// The record count.
        count: u32,
        /// The last offset delta.
        last_offset_delta: u32,
    },
    /// Markers are written by the cluster alone.
    #[error("producers may not write control records")]
    Control,
    /// A transaction is one producer's (KIP-98).
    #[error("a transactional batch names no producer")]
    NoProducer,
    /// Only compaction says when tombstones may go.
    #[error("a producer may not set a delete horizon")]
    DeleteHorizon,
    /// Times before 1970 have no meaning here; -1 says that there is none.
    #[error("timestamp {timestamp} ms is before 1970")]
    Timestamp {
        /// The timestamp.
        timestamp: i64,
    },
    /// Too far from the clock.
    #[error(transparent)]
    TimestampOutOfBounds(#[from] TimestampOutOfBounds),
    /// An idempotent producer numbers its records (KIP-98).
    #[error("batch of producer {producer_id} has sequence number {base_sequence}")]
    NoSequence {
        /// The producer's id.
        producer_id: ProducerId,
        /// The sequence number of the first record.
        base_sequence: i32,
    },
    /// Only the leader may say that the timestamps are its own.
    #[error("a producer may not set the timestamp type LogAppendTime")]
    AppendTime,
    /// A record's offset is not one more than that of the record before.
    #[error("record {number} has offset delta {delta}")]
    OffsetGap {
        /// Its place in the batch, from 0.
        number: i64,
        /// Its offset relative to the batch.
        delta: i64,
    },
    /// A record without key, in a compacted topic.
    #[error("record {number} has no key, which a compacted topic demands")]
    NoKey {
        /// Its place in the batch, from 0.
        number: i64,
    },
    /// A record whose bytes make no sense, or fewer or more records than counted.
    #[error(transparent)]
    Malformed(#[from] BatchError),
    /// The records cannot be decompressed.
    #[error(transparent)]
    Unreadable(#[from] DecompressError),
    /// The records cannot be compressed as the topic asks.
    #[error(transparent)]
    Compress(#[from] CompressError),
}

impl ProducedError {
    /// What the producer is told, by Kafka's names.
    #[must_use]
    pub const fn kafka_error(&self) -> KafkaError {
        match self {
            Self::AppendTime | Self::Timestamp { .. } | Self::TimestampOutOfBounds(_) => {
                KafkaError::InvalidTimestamp
            }
            Self::Malformed(_)
            | Self::Unreadable(DecompressError::Malformed { .. })
            | Self::Compress(CompressError::Unreadable(DecompressError::Malformed { .. })) => {
                KafkaError::CorruptMessage
            }
            Self::Unreadable(DecompressError::TooLarge { .. })
            | Self::Compress(CompressError::Unreadable(_) | CompressError::Unfit(_)) => {
                KafkaError::MessageTooLarge
            }
            Self::Compress(CompressError::Failed { .. }) => KafkaError::UnknownServerError,
            Self::BaseOffset { .. }
            | Self::RecordCount { .. }
            | Self::Control
            | Self::NoProducer
            | Self::DeleteHorizon
            | Self::NoSequence { .. }
            | Self::OffsetGap { .. }
            | Self::NoKey { .. } => KafkaError::InvalidRecord,
        }
    }
}

/// Judges a batch as a producer sent it, its records included, and gives it as the topic stores it:
/// the same bytes, but for a largest timestamp that is not that of its records, and another codec
/// where the topic asks for one. Costs a decompression; keep it off the partition's owner.
///
/// # Errors
/// The first rule that it breaks.
pub fn admit_produced(
    batch: RecordBatch,
    rules: &ProducedRules,
) -> Result<RecordBatch, ProducedError> {
    check_header(&batch)?;
    let max_timestamp = check_records(&batch, rules)?;
    let batch = batch.with_max_timestamp(max_timestamp);
    Ok(rules.compression.apply(batch, &rules.limits)?)
}

/// The same, as far as it goes without decompressing: the header always, the records where they are
/// plain. For a broker that another one hands a batch, which may have been anybody's. Whether
/// compressed records can be read is then for their readers to find out.
///
/// # Errors
/// The first rule that it breaks.
pub fn admit_unopened(batch: RecordBatch) -> Result<RecordBatch, ProducedError> {
    check_header(&batch)?;
    if batch.header().attributes.compression() != Compression::None {
        return Ok(batch);
    }
    let max_timestamp = check_records(&batch, &ProducedRules::default())?;
    Ok(batch.with_max_timestamp(max_timestamp))
}

fn check_header(batch: &RecordBatch) -> Result<(), ProducedError> {
    let header = batch.header();
    if header.base_offset != Offset::ZERO {
        return Err(ProducedError::BaseOffset {
            base_offset: header.base_offset,
        });
    }
    if !header.is_dense() {
        return Err(ProducedError::RecordCount {
            count: header.record_count,
            last_offset_delta: header.last_offset_delta,
        });
    }
    if header.attributes.is_control() {
        return Err(ProducedError::Control);
    }
    if header.attributes.timestamp_type() == TimestampType::LogAppendTime {
        return Err(ProducedError::AppendTime);
    }
    if header.attributes.has_delete_horizon() {
        return Err(ProducedError::DeleteHorizon);
    }
    if header.attributes.is_transactional() && header.producer.is_none() {
        return Err(ProducedError::NoProducer);
    }
    check_timestamp(header.base_timestamp)?;
    check_timestamp(header.max_timestamp)?;
    match header.producer {
        Some(producer) if producer.base_sequence < 0 => Err(ProducedError::NoSequence {
            producer_id: producer.id,
            base_sequence: producer.base_sequence,
        }),
        _ => Ok(()),
    }
}

fn check_timestamp(timestamp: Timestamp) -> Result<(), ProducedError> {
    if timestamp < NO_TIMESTAMP {
        let timestamp = timestamp.0;
        return Err(ProducedError::Timestamp { timestamp });
    }
    Ok(())
}

/// The largest timestamp of the records, each of which has passed.
fn check_records(batch: &RecordBatch, rules: &ProducedRules) -> Result<Timestamp, ProducedError> {
    let records = decompress(batch, &rules.limits)?;
    let mut max_timestamp = Timestamp(i64::MIN);
    for (number, record) in (0_i64..).zip(records.views()) {
        let record = record?;
        let delta = record.offset.distance_from(batch.header().base_offset);
        if delta != number {
            return Err(ProducedError::OffsetGap { number, delta });
        }
        if rules.compacted && record.key.is_none() {
            return Err(ProducedError::NoKey { number });
        }
        check_timestamp(record.timestamp)?;
        if let Some((bounds, now)) = &rules.timestamps {
            bounds.check(record.timestamp, *now)?;
        }
        max_timestamp = max_timestamp.max(record.timestamp);
    }
    Ok(max_timestamp)
}
