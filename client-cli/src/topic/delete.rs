//! `trimaran topic delete`.

use reqwest::Method;
use trimaran_types::TopicName;

use crate::connection::Connection;
use crate::failure::Failure;

/// Deletes a topic and its records.
///
/// # Errors
/// When the cluster refuses, or does not answer.
pub(crate) async fn delete(connection: &Connection, topic: &TopicName) -> Result<(), Failure> {
    let cluster_id = connection.cluster_id().await?;
    let path = format!("v3/clusters/{cluster_id}/topics/{topic}");
    connection
        .change::<(), ()>(Method::DELETE, &path, None)
        .await
}
