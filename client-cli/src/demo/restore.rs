//! After the kill: the broker comes back, and everything is read.

use std::time::{Duration, Instant};

use trimaran_types::{Offset, TopicName};

use super::check::Log;
use crate::connection::Connection;
use crate::dev::{Cluster, NodeName};
use crate::failure::Failure;
use crate::partition_reader::{PartitionReader, offsets};
use crate::topic;

/// How long the broker may take to be in every ISR again.
const IN_SYNC_PATIENCE: Duration = Duration::from_secs(120);

/// Pause between two looks.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// How long a read below the end may wait.
const READ_WAIT: Duration = Duration::from_secs(1);

/// Reads in a row that may give nothing below the end.
const EMPTY_READS_MAX: usize = 10;

/// Starts `node` and waits until every replica of the topic is in its ISR; tells how long it took.
///
/// # Errors
/// When it does not start, or does not come back in time.
pub(super) async fn bring_back(
    cluster: &Cluster,
    connection: &Connection,
    topic: &TopicName,
    node: NodeName,
) -> Result<Duration, Failure> {
    let started = Instant::now();
    cluster.nodes().start(node).await.map_err(Failure::failed)?;
    cluster.ready().await?;
    in_sync(connection, topic).await?;
    Ok(started.elapsed())
}

/// Waits until every partition has a leader and all its replicas in its ISR.
///
/// # Errors
/// When that takes too long.
pub(super) async fn in_sync(connection: &Connection, topic: &TopicName) -> Result<(), Failure> {
    let deadline = Instant::now() + IN_SYNC_PATIENCE;
    loop {
        let status = topic::describe(connection, topic).await?;
        let is_whole = status.partitions.iter().all(|partition| {
            partition.leader.is_some() && partition.isr.len() == partition.replicas.len()
        });
        if is_whole {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(Failure::failed(format!(
                "not every replica is in sync after {} s:\n{}",
                IN_SYNC_PATIENCE.as_secs(),
                topic::description(&status)
            ))
            .try_next("look into the logs in the cluster's folder"));
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

/// Reads on every partition of the topic from where `log` ends to where the partition ends now.
///
/// # Errors
/// When a partition cannot be read.
pub(super) async fn read_on(
    connection: &Connection,
    topic: &TopicName,
    log: &mut Log,
) -> Result<(), Failure> {
    let status = topic::describe(connection, topic).await?;
    for partition in status
        .partitions
        .iter()
        .map(|partition| partition.partition)
    {
        let bounds = offsets(connection, topic, partition).await?;
        let records = log.entry(partition).or_default();
        let next = records
            .last()
            .map_or(Offset::ZERO, |record| record.offset.next());
        let mut reader = PartitionReader::new(connection, topic, partition, next);
        let mut empty_reads = 0;
        while reader.position() < bounds.end_offset {
            let page = reader.read(READ_WAIT).await?;
            empty_reads = if page.is_empty() { empty_reads + 1 } else { 0 };
            if empty_reads == EMPTY_READS_MAX {
                return Err(Failure::failed(format!(
                    "{topic}-{partition} gives nothing at offset {}, though it ends at {}",
                    reader.position(),
                    bounds.end_offset
                )));
            }
            records.extend(page);
        }
    }
    Ok(())
}
