//! What clients ask of this broker's own replicas, by partition.

use std::sync::Arc;
use std::time::Duration;

use trimaran_api::ApiError;
use trimaran_api::replica::{AppendResponse, PartitionOffsets, ReadQuery, RequiredAcks};
use trimaran_types::record_batch::RecordBatch;
use trimaran_types::{KafkaError, Offset, TopicIdPartition};

use super::Replicas;
use crate::partition::{PartitionHandle, Records, no_such_partition};

impl Replicas {
    /// Appends to a partition that this broker leads; see [`PartitionHandle::append`].
    ///
    /// # Errors
    /// As there, and `NOT_LEADER_OR_FOLLOWER` when this broker has no replica, or resigns.
    pub async fn append(
        &self,
        partition: TopicIdPartition,
        batches: Vec<RecordBatch>,
        acks: RequiredAcks,
        timeout: Duration,
    ) -> Result<AppendResponse, ApiError> {
        let handle = self.hosted(partition)?;
        let _counted = self.count_in(handle.topic())?;
        handle.append(batches, acks, timeout).await
    }

    /// Reads from a partition that this broker leads; see [`PartitionHandle::read`].
    ///
    /// # Errors
    /// As there, and `NOT_LEADER_OR_FOLLOWER` when this broker has no replica. That an offset lies
    /// beyond the log's end is said only once the controllers confirm that this broker leads;
    /// `OFFSET_NOT_AVAILABLE` while they cannot.
    pub async fn read(
        &self,
        partition: TopicIdPartition,
        query: &ReadQuery,
    ) -> Result<Records, ApiError> {
        let handle = self.hosted(partition)?;
        let status = handle.status();
        match handle.read(query).await {
            Err(refusal)
                if refusal.body.kafka_error == Some(KafkaError::OffsetOutOfRange)
                    && query.offset > status.log_start =>
            {
                let epoch = status.leader_epoch;
                self.confirm_leading(&handle, partition, epoch).await?;
                Err(refusal)
            }
            Err(refusal) if refusal.body.kafka_error == Some(KafkaError::KafkaStorageError) => {
                self.check_again(&handle, query.offset, handle.status().high_watermark);
                Err(refusal)
            }
            answer => answer,
        }
    }

    /// A read that failed is tried once more: only bytes that are damaged twice are damaged.
    pub(super) fn check_again(&self, handle: &PartitionHandle, from: Offset, before: Offset) {
        let again = handle.reader().read(from, before, 1);
        // After the read: see `Replicas::suspect`.
        if let Err(error) = again
            && error.is_damage()
        {
            tracing::error!(partition = %handle.topic(), %error, "a reader met damaged bytes");
            self.suspect(handle);
        }
    }

    /// The bounds of a partition that this broker leads; see [`PartitionHandle::offsets`].
    ///
    /// The end never lies behind what another reader was shown before the question: without a lease
    /// the controllers are asked who leads.
    ///
    /// # Errors
    /// As there, and `NOT_LEADER_OR_FOLLOWER` when this broker has no replica or does not lead any
    /// more; `OFFSET_NOT_AVAILABLE` while no controller can say.
    pub async fn offsets(&self, partition: TopicIdPartition) -> Result<PartitionOffsets, ApiError> {
        self.offsets_of(&self.hosted(partition)?).await
    }

    /// The same of a replica that was found.
    pub(super) async fn offsets_of(
        &self,
        handle: &PartitionHandle,
    ) -> Result<PartitionOffsets, ApiError> {
        let offsets = handle.offsets()?;
        if self.leads_by_lease(handle.id(), offsets.leader_epoch) {
            return Ok(offsets);
        }
        let epoch = Some(offsets.leader_epoch);
        self.confirm_leading(handle, handle.id(), epoch).await?;
        Ok(offsets)
    }

    /// Deletes the oldest records of a partition that this broker leads; see
    /// [`PartitionHandle::trim`]. The new log start is on this broker's disk when it is answered.
    ///
    /// # Errors
    /// As there, and `KAFKA_STORAGE_ERROR` when the log start cannot be written.
    pub async fn trim(
        self: &Arc<Self>,
        partition: TopicIdPartition,
        before: Offset,
        timeout: Duration,
    ) -> Result<Offset, ApiError> {
        let handle = self.hosted(partition)?;
        let log_start = handle.trim(before, timeout).await?;
        let replicas = Arc::clone(self);
        let id = handle.directory_id();
        let written = tokio::task::spawn_blocking(move || match replicas.dirs.get(id) {
            Some(dir) => dir.dir.write_log_starts(),
            None => Ok(()),
        });
        let cause = match written.await {
            Ok(Ok(())) => return Ok(log_start),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        let message = format!("the log start is not on the disk: {cause}");
        Err(ApiError::kafka(KafkaError::KafkaStorageError, message))
    }

    /// The replica of a partition, if this broker has it.
    #[must_use]
    pub fn get(&self, partition: TopicIdPartition) -> Option<PartitionHandle> {
        self.table.get(partition)
    }

    pub(super) fn hosted(&self, partition: TopicIdPartition) -> Result<PartitionHandle, ApiError> {
        self.table
            .get(partition)
            .ok_or_else(|| no_such_partition(partition))
    }
}
