//! Makes the demonstration's topic anew, so that what is in it is of this run.

use std::time::{Duration, Instant};

use trimaran_api::controller::TopicStatus;
use trimaran_api::rest::TopicV2;
use trimaran_types::{KafkaError, TopicName};

use crate::connection::Connection;
use crate::failure::Failure;
use crate::topic::{self, CreateArguments};

/// How long the brokers may take to hear of a deletion.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pause between two looks.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// Creates the topic; an earlier demonstration's is deleted first.
///
/// # Errors
/// When the cluster refuses, or a broker goes on knowing the deleted topic.
pub(super) async fn create(
    connection: &Connection,
    topic: &TopicName,
    partitions: i64,
    replicas: i64,
) -> Result<TopicStatus, Failure> {
    let arguments = CreateArguments {
        topic: topic.clone(),
        partitions: Some(partitions),
        replication_factor: Some(replicas),
        configs: Vec::new(),
    };
    match arguments.create(connection).await {
        Err(failure) if failure.is_kafka(KafkaError::TopicAlreadyExists) => {
            topic::delete(connection, topic).await?;
            forgotten(connection, topic).await?;
            arguments.create(connection).await?;
        }
        created => drop(created?),
    }
    topic::describe_created(connection, topic).await
}

/// Waits until no broker knows the topic: one that still did would take records for the deleted one.
async fn forgotten(connection: &Connection, topic: &TopicName) -> Result<(), Failure> {
    let deadline = Instant::now() + PATIENCE;
    for address in connection.addresses() {
        let broker = Connection::open(vec![address.clone()])?;
        loop {
            match broker.get::<TopicV2>(&format!("topics/{topic}"), &[]).await {
                Err(failure) if failure.is_kafka(KafkaError::UnknownTopicOrPartition) => break,
                Err(failure) => return Err(failure),
                Ok(_) if Instant::now() >= deadline => {
                    return Err(Failure::failed(format!(
                        "the broker at {address} knows topic '{topic}' {} s after its deletion",
                        PATIENCE.as_secs()
                    )));
                }
                Ok(_) => tokio::time::sleep(LOOK_PAUSE).await,
            }
        }
    }
    Ok(())
}
