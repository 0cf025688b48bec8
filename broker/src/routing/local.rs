//! [`LocalPartitions`]: the work as the leader does it, on this broker.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use trimaran_api::ApiError;
use trimaran_api::replica::{
    AppendResponse, PartitionOffsets, ReadQuery, ReplicaFetchRequest, ReplicaFetchResponse,
    RequiredAcks, TimestampQuery,
};
use trimaran_types::record_batch::RecordBatch;
use trimaran_types::{Offset, TopicIdPartition};

use super::Records;

/// The partitions that this broker holds. Each call refuses what this broker does not lead.
pub trait LocalPartitions: Send + Sync + std::fmt::Debug + 'static {
    /// Appends batches; answers when they are as safe as `acks` asks, at most after `timeout`.
    ///
    /// A refusal tells in its details whether something may have been written.
    fn append(
        &self,
        partition: TopicIdPartition,
        batches: Vec<RecordBatch>,
        acks: RequiredAcks,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<AppendResponse, ApiError>>;

    /// Reads below the high watermark; waits for data as the query says.
    fn read(
        &self,
        partition: TopicIdPartition,
        query: ReadQuery,
    ) -> BoxFuture<'_, Result<Records, ApiError>>;

    /// The bounds of the log, and the record that is `wanted` by its timestamp, if one is.
    fn offsets(
        &self,
        partition: TopicIdPartition,
        wanted: Option<TimestampQuery>,
    ) -> BoxFuture<'_, Result<PartitionOffsets, ApiError>>;

    /// Deletes the records before an offset; answers when no in-sync replica keeps them, at most
    /// after `timeout`, with the first offset that is left.
    fn trim(
        self: Arc<Self>,
        partition: TopicIdPartition,
        before: Offset,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Offset, ApiError>>;

    /// Answers a follower.
    fn fetch(
        &self,
        request: ReplicaFetchRequest,
    ) -> BoxFuture<'_, Result<ReplicaFetchResponse, ApiError>>;
}
