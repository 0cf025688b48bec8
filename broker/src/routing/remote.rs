//! [`Remote`]: the work as another broker does it, over its inter-node listener.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, RequestBuilder, Response};
use trimaran_api::client::{CallError, call, call_bytes, read_body};
use trimaran_api::replica::append_stream::STREAMED_BYTES_MAX;
use trimaran_api::replica::{
    AppendQuery, AppendResponse, HIGH_WATERMARK, LEADER_EPOCH, LOG_START, OffsetsQuery,
    PartitionOffsets, ReadQuery, RequiredAcks, TimestampQuery, TrimQuery, TrimResponse,
};
use trimaran_api::{headers, paths};
use trimaran_types::record_batch::RecordBatch;
use trimaran_types::{BrokerId, ClusterId, LeaderEpoch, Offset, TopicIdPartition};

use super::Records;
use super::append_stream::AppendStreams;

/// What the network may add to the time that the leader was given, so that the leader's own word
/// arrives before the caller gives up.
pub(super) const NETWORK_SLACK: Duration = Duration::from_millis(500);

/// Calls to other brokers.
#[derive(Debug, Clone)]
pub struct Remote {
    http: Client,
    cluster_id: ClusterId,
    streams: AppendStreams,
}

/// Which broker is called, and for which partition.
#[derive(Debug, Clone)]
pub(super) struct Callee {
    pub(super) broker_id: BrokerId,
    pub(super) address: String,
    pub(super) partition: TopicIdPartition,
}

impl Callee {
    fn url(&self, path: &str) -> String {
        let TopicIdPartition {
            topic_id,
            partition,
        } = self.partition;
        let path = paths::fill(path, &[&topic_id, &partition]);
        format!("http://{}{path}", self.address)
    }
}

impl Remote {
    /// Calls within one cluster.
    #[must_use]
    pub fn new(http: Client, cluster_id: ClusterId) -> Self {
        let streams = AppendStreams::new(http.clone(), cluster_id);
        Self {
            http,
            cluster_id,
            streams,
        }
    }

    fn marked(&self, request: RequestBuilder, callee: &Callee) -> RequestBuilder {
        request
            .header(headers::CLUSTER_ID, self.cluster_id.to_string())
            .header(headers::TARGET_NODE, format!("broker-{}", callee.broker_id))
            .header(headers::FORWARDED, "1")
    }

    pub(super) async fn append(
        &self,
        callee: &Callee,
        batches: &[RecordBatch],
        acks: RequiredAcks,
        timeout: Duration,
    ) -> Result<AppendResponse, CallError> {
        let batches = joined(batches);
        if batches.len() <= STREAMED_BYTES_MAX {
            return self.streams.append(callee, batches, acks, timeout).await;
        }
        let query = AppendQuery {
            acks,
            timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        };
        let request = self
            .http
            .post(callee.url(paths::PARTITION_APPEND))
            .query(&query)
            .header(CONTENT_TYPE, headers::RECORD_BATCHES)
            .timeout(timeout.saturating_add(NETWORK_SLACK))
            .body(batches);
        call(self.marked(request, callee), &callee.address).await
    }

    pub(super) async fn read(
        &self,
        callee: &Callee,
        query: &ReadQuery,
    ) -> Result<Records, CallError> {
        let wait = Duration::from_millis(query.wait_ms);
        let request = self
            .http
            .get(callee.url(paths::PARTITION_READ))
            .query(query)
            .timeout(wait.saturating_add(NETWORK_SLACK * 4));
        let response = call_bytes(self.marked(request, callee), &callee.address).await?;
        let bounds = bounds(&response).ok_or_else(|| CallError::Unreadable {
            address: callee.address.clone(),
            cause: "an answer to a read without its headers".to_owned(),
        })?;
        let bytes = read_body(response, &callee.address).await?;
        let (high_watermark, log_start, leader_epoch) = bounds;
        Ok(Records {
            bytes,
            high_watermark,
            log_start,
            leader_epoch,
        })
    }

    pub(super) async fn trim(
        &self,
        callee: &Callee,
        before: Offset,
        timeout: Duration,
    ) -> Result<TrimResponse, CallError> {
        let query = TrimQuery {
            before,
            timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        };
        let request = self
            .http
            .post(callee.url(paths::PARTITION_TRIM))
            .query(&query)
            .timeout(timeout.saturating_add(NETWORK_SLACK));
        call(self.marked(request, callee), &callee.address).await
    }

    pub(super) async fn offsets(
        &self,
        callee: &Callee,
        wanted: Option<TimestampQuery>,
        timeout: Duration,
    ) -> Result<PartitionOffsets, CallError> {
        let request = self
            .http
            .get(callee.url(paths::PARTITION_OFFSETS))
            .query(&OffsetsQuery { timestamp: wanted })
            .timeout(timeout.saturating_add(NETWORK_SLACK));
        call(self.marked(request, callee), &callee.address).await
    }
}

fn bounds(response: &Response) -> Option<(Offset, Offset, LeaderEpoch)> {
    let number = |name: &str| response.headers().get(name)?.to_str().ok();
    Some((
        Offset(number(HIGH_WATERMARK)?.parse().ok()?),
        Offset(number(LOG_START)?.parse().ok()?),
        LeaderEpoch(number(LEADER_EPOCH)?.parse().ok()?),
    ))
}

/// The batches one behind the other; one batch alone is not copied.
fn joined(batches: &[RecordBatch]) -> Bytes {
    if let [only] = batches {
        return only.bytes().clone();
    }
    let total = batches.iter().map(|batch| batch.bytes().len()).sum();
    let mut bytes = BytesMut::with_capacity(total);
    for batch in batches {
        bytes.extend_from_slice(batch.bytes());
    }
    bytes.freeze()
}
