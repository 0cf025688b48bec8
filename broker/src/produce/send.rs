//! Sending: all partitions at once, one result a record.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;
use trimaran_api::ApiError;
use trimaran_api::replica::{AppendResponse, RequiredAcks};
use trimaran_commit_log::TopicCompression;
use trimaran_types::{Offset, PartitionIndex, Timestamp, TopicId, TopicIdPartition};

use super::Assigned;
use super::compression::compress;
use crate::codec_work::CodecWork;
use crate::routing::PartitionRouter;

/// Where and how records are sent.
#[derive(Debug, Clone, Copy)]
pub struct ProduceTo<'a> {
    /// Who sends them.
    pub router: &'a PartitionRouter,
    /// Who compresses them.
    pub codecs: &'a CodecWork,
    /// How the topic wants them.
    pub compression: TopicCompression,
    /// The topic.
    pub topic_id: TopicId,
    /// When a batch counts as written.
    pub acks: RequiredAcks,
    /// When the sender gives up.
    pub deadline: Instant,
}

/// What became of one record.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordResult {
    /// The partition that it went to.
    pub partition: PartitionIndex,
    /// Its offset, absent with `acks=none`; or why it was not acknowledged.
    pub result: Result<Option<Offset>, ApiError>,
    /// The timestamp that the leader gave it, where the topic says so.
    pub append_time: Option<Timestamp>,
}

/// Sends the batches; the results stand in the order of the `count` records of the request.
pub async fn send(
    to: ProduceTo<'_>,
    assigned: Vec<Assigned>,
    count: usize,
) -> Vec<Option<RecordResult>> {
    let mut results: Vec<Option<RecordResult>> = vec![None; count];
    let mut sending: FuturesUnordered<_> = assigned
        .into_iter()
        .map(|assigned| send_one(to, assigned))
        .collect();
    while let Some((partition, records, answer)) = sending.next().await {
        let append_time = answer.as_ref().ok().and_then(|it| it.log_append_time);
        for (delta, place) in (0_i64..).zip(records) {
            let result = match &answer {
                Ok(appended) => Ok(appended.base_offset.map(|base| base.plus(delta))),
                Err(refusal) => Err(refusal.clone()),
            };
            if let Some(slot) = results.get_mut(place) {
                *slot = Some(RecordResult {
                    partition,
                    result,
                    append_time,
                });
            }
        }
    }
    results
}

async fn send_one(
    to: ProduceTo<'_>,
    assigned: Assigned,
) -> (PartitionIndex, Vec<usize>, Result<AppendResponse, ApiError>) {
    let partition = TopicIdPartition {
        topic_id: to.topic_id,
        partition: assigned.partition,
    };
    let answer = match compress(to.codecs, to.compression, assigned.batches).await {
        Ok(batches) => {
            let appended = to.router.append(partition, batches, to.acks, to.deadline);
            appended.await
        }
        Err(error) => Err(error),
    };
    (assigned.partition, assigned.records, answer)
}
