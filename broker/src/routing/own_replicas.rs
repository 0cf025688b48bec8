//! The replicas of this broker, as [`LocalPartitions`].

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use trimaran_api::ApiError;
use trimaran_api::replica::{
    AppendResponse, PartitionOffsets, ReadQuery, ReplicaFetchRequest, ReplicaFetchResponse,
    RequiredAcks, TimestampQuery,
};
use trimaran_types::record_batch::RecordBatch;
use trimaran_types::{Offset, TopicIdPartition};

use super::{LocalPartitions, Records};
use crate::replicas::Replicas;

impl LocalPartitions for Replicas {
    fn append(
        &self,
        partition: TopicIdPartition,
        batches: Vec<RecordBatch>,
        acks: RequiredAcks,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<AppendResponse, ApiError>> {
        Self::append(self, partition, batches, acks, timeout).boxed()
    }

    fn read(
        &self,
        partition: TopicIdPartition,
        query: ReadQuery,
    ) -> BoxFuture<'_, Result<Records, ApiError>> {
        async move {
            let found = Self::read(self, partition, &query).await?;
            Ok(Records {
                bytes: found.bytes,
                high_watermark: found.high_watermark,
                log_start: found.log_start,
                leader_epoch: found.leader_epoch,
            })
        }
        .boxed()
    }

    fn offsets(
        &self,
        partition: TopicIdPartition,
        wanted: Option<TimestampQuery>,
    ) -> BoxFuture<'_, Result<PartitionOffsets, ApiError>> {
        async move {
            match wanted {
                None => Self::offsets(self, partition).await,
                Some(wanted) => self.offsets_by_time(partition, wanted).await,
            }
        }
        .boxed()
    }

    fn trim(
        self: Arc<Self>,
        partition: TopicIdPartition,
        before: Offset,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Offset, ApiError>> {
        async move { Self::trim(&self, partition, before, timeout).await }.boxed()
    }

    fn fetch(
        &self,
        request: ReplicaFetchRequest,
    ) -> BoxFuture<'_, Result<ReplicaFetchResponse, ApiError>> {
        async move { Ok(self.follower_fetch(&request).await) }.boxed()
    }
}
