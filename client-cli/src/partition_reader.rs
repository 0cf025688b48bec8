//! [`PartitionReader`]: reads one partition from an offset on, by stateless long polls.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use trimaran_api::client::CallError;
use trimaran_api::rest::{FetchedRecord, OffsetsAtTimeV2, OffsetsV2};
use trimaran_types::{KafkaError, Offset, PartitionIndex, Timestamp, TopicName};

use crate::connection::Connection;
use crate::failure::Failure;

/// Key and value come as base64: that carries any bytes, whatever their format.
const BINARY: &str = "application/vnd.kafka.binary.v2+json";

/// Bytes asked for in one read; one record is always whole.
const READ_BYTES_MAX: usize = 1024 * 1024;

/// A record as it lies in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadRecord {
    pub(crate) partition: PartitionIndex,
    pub(crate) offset: Offset,
    pub(crate) timestamp: Timestamp,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
}

/// Where a partition begins and ends now.
///
/// # Errors
/// When the partition does not exist, or nobody answers for it.
pub(crate) async fn offsets(
    connection: &Connection,
    topic: &TopicName,
    partition: PartitionIndex,
) -> Result<OffsetsV2, Failure> {
    connection
        .get(
            &format!("topics/{topic}/partitions/{partition}/offsets"),
            &[],
        )
        .await
}

/// The same, and the first record of a time or later.
///
/// # Errors
/// As [`offsets`].
pub(crate) async fn offsets_at_time(
    connection: &Connection,
    topic: &TopicName,
    partition: PartitionIndex,
    time: Timestamp,
) -> Result<OffsetsAtTimeV2, Failure> {
    connection
        .get(
            &format!("topics/{topic}/partitions/{partition}/offsets"),
            &[("timestamp", time.0.to_string())],
        )
        .await
}

/// A position in a partition.
#[derive(Debug)]
pub(crate) struct PartitionReader<'a> {
    connection: &'a Connection,
    topic: &'a TopicName,
    partition: PartitionIndex,
    next: Offset,
}

impl<'a> PartitionReader<'a> {
    /// Reads from `next` on.
    pub(crate) fn new(
        connection: &'a Connection,
        topic: &'a TopicName,
        partition: PartitionIndex,
        next: Offset,
    ) -> Self {
        Self {
            connection,
            topic,
            partition,
            next,
        }
    }

    /// The first offset that was not read yet.
    pub(crate) fn position(&self) -> Offset {
        self.next
    }

    /// The next records, after waiting at most `wait` for the first; none if none came.
    ///
    /// # Errors
    /// When the offset is out of range, the partition is gone, or nobody answers for it.
    pub(crate) async fn read(&mut self, wait: Duration) -> Result<Vec<ReadRecord>, Failure> {
        let path = format!(
            "topics/{}/partitions/{}/records",
            self.topic, self.partition
        );
        let query = [
            ("offset", self.next.to_string()),
            ("timeout", wait.as_millis().to_string()),
            ("max_bytes", READ_BYTES_MAX.to_string()),
        ];
        let records: Result<Vec<FetchedRecord>, CallError> = self
            .connection
            .read(&path, &query, wait, Some(BINARY))
            .await;
        let records = records.map_err(|error| self.explain(&error))?;
        let records: Vec<ReadRecord> = records
            .into_iter()
            .map(decode)
            .collect::<Result<_, Failure>>()?;
        for record in &records {
            if record.offset < self.next || record.partition != self.partition {
                return Err(Failure::failed(format!(
                    "asked {}-{} from offset {} and was given offset {} of partition {}",
                    self.topic, self.partition, self.next, record.offset, record.partition
                )));
            }
            self.next = record.offset.next();
        }
        Ok(records)
    }

    fn explain(&self, error: &CallError) -> Failure {
        let failure = Failure::of_call(error);
        match error {
            CallError::Refused(refusal)
                if refusal.body.kafka_error == Some(KafkaError::OffsetOutOfRange) =>
            {
                failure.try_next(format!(
                    "trimaran consume {} --partition {} --from earliest",
                    self.topic, self.partition
                ))
            }
            _ => failure,
        }
    }
}

fn decode(record: FetchedRecord) -> Result<ReadRecord, Failure> {
    let bytes = |field: &str, value: Option<Value>| match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => STANDARD.decode(text).map(Some).map_err(|error| {
            Failure::failed(format!(
                "the {field} at offset {} is no base64: {error}",
                record.offset
            ))
        }),
        Some(other) => Err(Failure::failed(format!(
            "the {field} at offset {} is no base64 text: {other}",
            record.offset
        ))),
    };
    Ok(ReadRecord {
        partition: record.partition,
        offset: record.offset,
        timestamp: record.timestamp,
        key: bytes("key", record.key)?,
        value: bytes("value", record.value)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetched(key: Value, value: Value) -> FetchedRecord {
        serde_json::from_value(serde_json::json!({
            "topic": "t", "partition": 1, "offset": 7, "timestamp": 5, "key": key, "value": value,
        }))
        .unwrap()
    }

    #[test]
    fn null_is_not_empty() {
        let record = decode(fetched(Value::Null, "".into())).unwrap();
        assert_eq!((record.key, record.value), (None, Some(Vec::new())));
        let record = decode(fetched("AP8=".into(), Value::Null)).unwrap();
        assert_eq!((record.key, record.value), (Some(vec![0, 255]), None));
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for value in [Value::from("%"), Value::from(1)] {
            let failure = decode(fetched(Value::Null, value)).unwrap_err();
            assert!(
                failure.message().contains("value at offset 7"),
                "{failure:?}"
            );
        }
    }
}
