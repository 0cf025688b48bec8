//! `trimaran topic list`.

use trimaran_api::controller::{TopicStatus, TopicsResponse};
use trimaran_api::paths;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::table;

/// Every topic.
///
/// # Errors
/// When no broker or no controller answers.
pub(crate) async fn all(connection: &Connection) -> Result<TopicsResponse, Failure> {
    connection.get(paths::TOPICS, &[]).await
}

/// The topics as a table.
pub(crate) fn text(response: &TopicsResponse) -> String {
    if response.topics.is_empty() {
        return "no topics yet; try: trimaran topic create orders --partitions 3".to_owned();
    }
    let rows = response.topics.iter().map(row).collect();
    table(&["TOPIC", "PARTITIONS", "REPLICAS", "STATUS"], rows)
}

fn row(topic: &TopicStatus) -> Vec<String> {
    let replicas = topic
        .partitions
        .iter()
        .map(|partition| partition.replicas.len())
        .max();
    vec![
        topic.name.to_string(),
        topic.partitions.len().to_string(),
        replicas.unwrap_or(0).to_string(),
        health(topic),
    ]
}

/// `OK`, or how many partitions lack what.
pub(super) fn health(topic: &TopicStatus) -> String {
    let leaderless = topic
        .partitions
        .iter()
        .filter(|p| p.leader.is_none())
        .count();
    let under_replicated = topic
        .partitions
        .iter()
        .filter(|p| p.isr.len() < p.replicas.len())
        .count();
    match (leaderless, under_replicated) {
        (0, 0) => "OK".to_owned(),
        (0, under) => format!("{under} under-replicated"),
        (none, under) => format!("{none} WITHOUT LEADER, {under} under-replicated"),
    }
}
