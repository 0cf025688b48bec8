//! [`read_whole`]: everything that a partition holds, through one broker.

use std::time::Duration;

use anyhow::{Result, ensure};
use trimaran_api::rest::OffsetsV2;
use trimaran_types::{Offset, PartitionIndex};

use super::Rest;
use super::consumer::{ReadAnswer, read};
use crate::history::FinalRead;

/// How long a partition may take to be readable up to where it must be.
const PATIENCE: Duration = Duration::from_secs(60);

/// The offsets of a partition as one broker tells them.
///
/// # Errors
/// It does not tell.
pub async fn end_offset(
    rest: &Rest,
    broker: &str,
    topic: &str,
    partition: PartitionIndex,
) -> Result<OffsetsV2> {
    let path = format!("/topics/{topic}/partitions/{partition}/offsets");
    rest.get_at(broker, &path).await?.success()
}

/// Reads a partition from its first offset to its end, which must be `end_min` or beyond: a leader
/// just elected needs a moment until it knows how far all others are.
///
/// # Errors
/// The end does not get that far in time, or the reads stop short of it.
pub async fn read_whole(
    rest: &Rest,
    broker: &str,
    topic: &str,
    partition: PartitionIndex,
    end_min: Offset,
) -> Result<FinalRead> {
    let what = format!("{topic}-{partition} to be readable up to {end_min} through {broker}");
    let offsets = crate::until(&what, PATIENCE, async || {
        let offsets = end_offset(rest, broker, topic, partition).await?;
        ensure!(
            offsets.end_offset >= end_min,
            "it ends at {}",
            offsets.end_offset
        );
        Ok(Some(offsets))
    })
    .await?;
    let mut records = Vec::new();
    let mut position = offsets.beginning_offset;
    let what = format!(
        "the records of {topic}-{partition} up to {}",
        offsets.end_offset
    );
    crate::until(&what, PATIENCE, async || {
        while position < offsets.end_offset {
            let place = (topic, partition, position);
            let answer = read(rest, broker, place, Duration::ZERO).await?;
            let ReadAnswer::Records(more) = answer else {
                return Ok(None);
            };
            let Some(last) = more.last() else {
                return Ok(None);
            };
            position = last.offset.next();
            records.extend(more);
        }
        Ok(Some(()))
    })
    .await?;
    // The partition may have grown meanwhile; what counts is what the offsets said.
    records.retain(|record| record.offset < offsets.end_offset);
    Ok(FinalRead {
        through: broker.to_owned(),
        partition,
        start: offsets.beginning_offset,
        end: offsets.end_offset,
        records,
    })
}
