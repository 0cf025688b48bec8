//! `trimaran topic describe`.

use std::time::{Duration, Instant};

use trimaran_api::controller::{PartitionStatus, TopicStatus};
use trimaran_api::paths;
use trimaran_types::{KafkaError, TopicName};

use super::list::health;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{list, table};

/// What the controllers know of a topic.
///
/// # Errors
/// When it does not exist, or nobody answers.
pub(crate) async fn describe(
    connection: &Connection,
    topic: &TopicName,
) -> Result<TopicStatus, Failure> {
    connection
        .get(&paths::fill(paths::TOPIC, &[topic]), &[])
        .await
}

/// Describes a topic whose creation was answered; the controller that is asked now may hear of it a
/// moment later than the one that made it.
///
/// # Errors
/// As [`describe`], once that moment has passed.
pub(crate) async fn describe_created(
    connection: &Connection,
    topic: &TopicName,
) -> Result<TopicStatus, Failure> {
    const PATIENCE: Duration = Duration::from_secs(5);
    const PAUSE: Duration = Duration::from_millis(10);
    let deadline = Instant::now() + PATIENCE;
    loop {
        match describe(connection, topic).await {
            Err(failure)
                if failure.is_kafka(KafkaError::UnknownTopicOrPartition)
                    && Instant::now() < deadline =>
            {
                tokio::time::sleep(PAUSE).await;
            }
            described => return described,
        }
    }
}

/// The topic and its partitions as text.
pub(crate) fn text(topic: &TopicStatus) -> String {
    let settings: Vec<String> = topic
        .configs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut text = format!(
        "Topic: {}  Id: {}  Partitions: {}  Status: {}\nSettings: {}\n\n",
        topic.name,
        topic.topic_id,
        topic.partitions.len(),
        health(topic),
        if settings.is_empty() {
            "defaults".to_owned()
        } else {
            settings.join(" ")
        },
    );
    let header = [
        "PARTITION",
        "LEADER",
        "LEADER-EPOCH",
        "STATE-EPOCH",
        "REPLICAS",
        "ISR",
        "ELIGIBLE",
        "LAST CHANGE",
    ];
    text.push_str(&table(&header, topic.partitions.iter().map(row).collect()));
    text
}

fn row(partition: &PartitionStatus) -> Vec<String> {
    vec![
        partition.partition.to_string(),
        partition
            .leader
            .map_or_else(|| "NONE".to_owned(), |leader| leader.to_string()),
        partition.leader_epoch.to_string(),
        partition.partition_epoch.to_string(),
        list(&partition.replicas),
        list(&partition.isr),
        list(&partition.eligible_leader_replicas),
        partition
            .last_change
            .clone()
            .unwrap_or_else(|| "-".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(leader: Option<u32>, isr: &[u32]) -> TopicStatus {
        serde_json::from_value(serde_json::json!({
            "name": "flights", "topic_id": "AAAAAAAAAAAAAAAAAAAAAw",
            "configs": { "min.insync.replicas": "2" },
            "partitions": [{
                "partition": 0, "leader": leader, "leader_epoch": 4, "partition_epoch": 9,
                "replicas": [1, 2, 3], "isr": isr, "eligible_leader_replicas": [],
                "last_change": "broker-fenced (broker 1)",
            }],
        }))
        .unwrap()
    }

    #[test]
    fn a_partition_says_what_changed_last_and_why() {
        let text = text(&topic(Some(2), &[2, 3]));
        assert!(text.contains("Status: 1 under-replicated\nSettings: min.insync.replicas=2\n"));
        let row = "0          2       4             9            1,2,3     2,3  -";
        assert!(text.contains(row), "{text}");
        assert!(text.ends_with("broker-fenced (broker 1)"), "{text}");
    }

    #[test]
    fn a_partition_without_leader_stands_out() {
        let text = text(&topic(None, &[1]));
        assert!(
            text.contains("1 WITHOUT LEADER, 1 under-replicated"),
            "{text}"
        );
        assert!(text.contains("NONE"), "{text}");
    }
}
