//! Where a time lies in a partition that this broker leads.

use serde_json::json;
use trimaran_api::ApiError;
use trimaran_api::replica::{OffsetAndTimestamp, PartitionOffsets, TimestampQuery};
use trimaran_commit_log::{LogReader, ReadError};
use trimaran_types::{KafkaError, Offset, TopicIdPartition};

use super::Replicas;
use super::fetch::leads_in;
use crate::partition::{PartitionHandle, not_serving};

impl Replicas {
    /// The bounds of a partition that this broker leads, as [`Replicas::offsets`] tells them, and the
    /// record that is `wanted` among those below the high watermark of that answer: what is not found
    /// there, no reader was shown before the question (promise P-VISIBLE).
    ///
    /// # Errors
    /// As there; `NOT_LEADER_OR_FOLLOWER` too when the leadership ends meanwhile; 429 when too many
    /// search already; 422 when the records in question cannot be read by anybody;
    /// `KAFKA_STORAGE_ERROR`.
    pub async fn offsets_by_time(
        &self,
        partition: TopicIdPartition,
        wanted: TimestampQuery,
    ) -> Result<PartitionOffsets, ApiError> {
        let handle = self.hosted(partition)?;
        let offsets = self.offsets_of(&handle).await?;
        let (reader, before) = (handle.reader().clone(), offsets.high_watermark);
        let search = move || search(&reader, wanted, before);
        let found = self.searches.run(search).await?;
        // A log is cut only after its role was shown to have changed: what was found until then is of
        // the history that the bounds are of.
        if !leads_in(&handle, offsets.leader_epoch) {
            let error = KafkaError::NotLeaderOrFollower;
            return Err(not_serving(&handle.topic().to_string(), error));
        }
        match found {
            Ok(found) => Ok(PartitionOffsets { found, ..offsets }),
            Err(error) => Err(self.search_failed(&handle, before, error)),
        }
    }

    fn search_failed(
        &self,
        handle: &PartitionHandle,
        before: Offset,
        error: ReadError,
    ) -> ApiError {
        let name = handle.topic().to_string();
        match error {
            ReadError::OutOfRange { .. } | ReadError::Truncating => {
                not_serving(&name, KafkaError::NotLeaderOrFollower)
            }
            ReadError::Records { offset, cause } => {
                let message = format!(
                    "{name}: the batch at offset {offset} cannot be read, so its timestamps are not \
                     known: {cause}"
                );
                let mut refusal = ApiError::new(42203, message);
                refusal.body.kafka_error = Some(KafkaError::CorruptMessage);
                refusal.with_details(json!({ "offset": offset }))
            }
            error => {
                tracing::error!(partition = name, %error, "cannot search the log");
                if let ReadError::Corrupt { offset, .. } = error {
                    self.check_again(handle, offset, before);
                }
                not_serving(&name, KafkaError::KafkaStorageError)
            }
        }
    }
}

fn search(
    reader: &LogReader,
    wanted: TimestampQuery,
    before: Offset,
) -> Result<Option<OffsetAndTimestamp>, ReadError> {
    let found = match wanted {
        TimestampQuery::AtLeast(at_least) => reader.offset_for_timestamp(at_least, before),
        TimestampQuery::Max => reader.offset_of_max_timestamp(before),
    };
    Ok(found?.map(|(timestamp, offset)| OffsetAndTimestamp { offset, timestamp }))
}
