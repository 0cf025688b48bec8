//! Sending: all partitions at once, one result a record.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;
use trimaran_api::ApiError;
use trimaran_api::replica::RequiredAcks;
use trimaran_types::{Offset, PartitionIndex, TopicId, TopicIdPartition};

use super::Assigned;
use crate::routing::PartitionRouter;

/// Where and how records are sent.
#[derive(Debug, Clone, Copy)]
pub struct ProduceTo<'a> {
    /// Who sends them.
    pub router: &'a PartitionRouter,
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
        for (delta, place) in (0_i64..).zip(records) {
            let result = match &answer {
                Ok(base) => Ok(base.map(|base| base.plus(delta))),
                Err(refusal) => Err(refusal.clone()),
            };
            if let Some(slot) = results.get_mut(place) {
                *slot = Some(RecordResult { partition, result });
            }
        }
    }
    results
}

async fn send_one(
    to: ProduceTo<'_>,
    assigned: Assigned,
) -> (PartitionIndex, Vec<usize>, Result<Option<Offset>, ApiError>) {
    let partition = TopicIdPartition {
        topic_id: to.topic_id,
        partition: assigned.partition,
    };
    let answer = to
        .router
        .append(partition, assigned.batches, to.acks, to.deadline)
        .await;
    (
        assigned.partition,
        assigned.records,
        answer.map(|appended| appended.base_offset),
    )
}
