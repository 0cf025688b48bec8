//! `trimaran consume --follow`: one long poll a partition, records as they come.

use std::time::Duration;

use tokio::sync::mpsc;
use trimaran_types::{PartitionIndex, TopicName};

use super::{Sink, Start};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::partition_reader::{PartitionReader, ReadRecord};

/// Partitions followed at once; each holds a connection.
const PARTITIONS_MAX: usize = 256;

/// How long one poll waits for a record.
const POLL_WAIT: Duration = Duration::from_secs(20);

/// Pages that may wait to be written; a full channel stops the readers.
const PAGES_WAITING_MAX: usize = 16;

type Page = Result<Vec<ReadRecord>, Failure>;

/// Writes records until the sink has enough or a partition fails.
pub(super) async fn run(
    connection: &Connection,
    topic: &TopicName,
    partitions: &[PartitionIndex],
    from: Start,
    sink: &mut Sink,
) -> Result<(), Failure> {
    if partitions.len() > PARTITIONS_MAX {
        return Err(Failure::usage(format!(
            "topic '{topic}' has {} partitions, at most {PARTITIONS_MAX} can be followed at once",
            partitions.len()
        ))
        .try_next(format!("trimaran consume {topic} --follow --partition 0")));
    }
    let (pages, mut received) = mpsc::channel(PAGES_WAITING_MAX);
    let readers = partitions
        .iter()
        .map(|partition| read(connection, topic, *partition, from, pages.clone()));
    let readers = futures_util::future::join_all(readers);
    // Each reader owns a sender: when all have ended, the channel closes and ends the writing.
    drop(pages);
    let write = async {
        while sink.left > 0 {
            let Some(page) = received.recv().await else {
                break;
            };
            sink.write(&page?)?;
        }
        Ok(())
    };
    tokio::select! {
        ended = write => ended,
        () = async { readers.await; std::future::pending().await } => Ok(()),
    }
}

async fn read(
    connection: &Connection,
    topic: &TopicName,
    partition: PartitionIndex,
    from: Start,
    pages: mpsc::Sender<Page>,
) {
    let first = match from.find(connection, topic, partition).await {
        Ok((_, first)) => first,
        Err(failure) => return drop(pages.send(Err(failure)).await),
    };
    let mut reader = PartitionReader::new(connection, topic, partition, first);
    loop {
        let page = reader.read(POLL_WAIT).await;
        let is_over = page.is_err();
        let is_empty = page.as_ref().is_ok_and(Vec::is_empty);
        if !is_empty && pages.send(page).await.is_err() || is_over {
            return;
        }
    }
}
