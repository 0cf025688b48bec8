//! [`RecordError`]: what can be wrong with one record.

use trimaran_api::ApiError;
use trimaran_commit_log::TimestampOutOfBounds;
use trimaran_types::limits::RECORD_HEADERS_MAX;
use trimaran_types::{KafkaError, PartitionIndex, TopicName};

/// Why a record cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A part of it is not what its format asks for.
    #[error("{what} is not usable: {cause}")]
    Malformed {
        /// The part: key, value, timestamp.
        what: &'static str,
        /// What is wrong with it.
        cause: String,
    },
    /// Over the limit of one record, or of its topic's batches.
    #[error("it has {bytes} bytes, the limit is {bytes_max}")]
    TooLarge {
        /// Bytes of it.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Its topic takes no timestamp so far from the clock.
    #[error(transparent)]
    Timestamp(#[from] TimestampOutOfBounds),
    /// More headers than a record may have.
    #[error("it has {headers} headers, the limit is {RECORD_HEADERS_MAX}")]
    TooManyHeaders {
        /// How many.
        headers: usize,
    },
    /// The partition that it asks for does not exist.
    #[error("topic {topic} has no partition {partition}")]
    NoSuchPartition {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: PartitionIndex,
    },
    /// A format that only a schema registry could serve.
    #[error("Payload error. Schema Registry must be configured when using schemas.")]
    NeedsSchemas,
    /// A field that records do not have.
    #[error("Unrecognized field: {field}")]
    UnknownField {
        /// Its name.
        field: String,
    },
}

impl RecordError {
    /// The REST code (Confluent's table of error codes).
    #[must_use]
    pub const fn error_code(&self) -> u32 {
        match self {
            Self::Malformed { .. } => 400,
            Self::TooLarge { .. } => 413,
            Self::Timestamp(_) => 40002,
            Self::TooManyHeaders { .. } | Self::UnknownField { .. } => 422,
            Self::NoSuchPartition { .. } => 40402,
            Self::NeedsSchemas => 42206,
        }
    }

    /// As a refusal; `place` is the record's number in its request.
    #[must_use]
    pub fn refusal(&self, place: Option<usize>) -> ApiError {
        let message = match place {
            Some(place) => format!("record {place}: {self}"),
            None => self.to_string(),
        };
        let mut refusal = ApiError::new(self.error_code(), message);
        refusal.body.kafka_error = match self {
            Self::TooLarge { .. } => Some(KafkaError::MessageTooLarge),
            Self::NoSuchPartition { .. } => Some(KafkaError::UnknownTopicOrPartition),
            Self::Timestamp(_) => Some(KafkaError::InvalidTimestamp),
            _ => None,
        };
        if let Some(place) = place {
            refusal = refusal.with_details(serde_json::json!({ "record": place }));
        }
        refusal
    }
}
