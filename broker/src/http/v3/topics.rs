//! `/v3/clusters/{cluster}/topics`: list, one, delete.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use trimaran_api::rest::{TopicData, TopicList};
use trimaran_api::{ApiError, paths};
use trimaran_types::{TopicId, TopicName};

use super::answer::json;
use super::links::Links;
use crate::http::app::ForClients;
use crate::http::path_names::{PathParts, check_cluster, topic_name};
use crate::http::topic_lookup::{self, FoundTopic, UNKNOWN_TOPIC};
use crate::http::{Refusal, Service, admin};

/// How long a deletion waits until this broker knows of it, too.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(2);

/// Every topic.
pub(in crate::http) async fn topics(
    ForClients(service): ForClients,
    path: PathParts,
) -> Result<Response, Refusal> {
    check_cluster(&service, path.at(0))?;
    let image = service.image();
    let data = image.topics.iter().map(|topic| {
        let replicas = topic.partitions().map(|(_, state)| state.replicas.len());
        let shape = Shape {
            partitions: topic.partition_count(),
            replication_factor: replicas.max().unwrap_or_default(),
        };
        described(&service, &topic.name, shape)
    });
    let list = TopicList {
        kind: "KafkaTopicList".to_owned(),
        metadata: Links(&service).list("/topics"),
        data: data.collect(),
    };
    Ok(json(StatusCode::OK, &list)?)
}

/// One topic.
pub(in crate::http) async fn topic(
    ForClients(service): ForClients,
    path: PathParts,
) -> Result<Response, Refusal> {
    let (name, found) = found(&service, &path).await?;
    let replicas = found
        .topic()
        .partitions()
        .map(|(_, state)| state.replicas.len());
    let shape = Shape {
        partitions: found.topic().partition_count(),
        replication_factor: replicas.max().unwrap_or_default(),
    };
    Ok(json(StatusCode::OK, &described(&service, &name, shape))?)
}

/// The topic that a path names.
pub(super) async fn found(
    service: &Service,
    path: &PathParts,
) -> Result<(TopicName, FoundTopic), ApiError> {
    check_cluster(service, path.at(0))?;
    let name = topic_name(path.at(1))?;
    let found = topic_lookup::topic(service, &name, UNKNOWN_TOPIC).await?;
    Ok((name, found))
}

/// What a controller says of a deletion.
#[derive(Debug, Deserialize)]
struct Deleted {
    topic_id: TopicId,
}

/// Deletes a topic; answered when that is committed.
pub(in crate::http) async fn delete(
    ForClients(service): ForClients,
    path: PathParts,
) -> Result<Response, Refusal> {
    check_cluster(&service, path.at(0))?;
    let name = topic_name(path.at(1))?;
    let below = paths::fill(paths::TOPIC, &[&name]);
    let deleted: Deleted =
        admin::change(&service, |http, base| http.delete(format!("{base}{below}"))).await?;
    let mut images = service.images();
    let gone = images.wait_for(|image| image.topics.get(deleted.topic_id).is_none());
    // The deletion is committed whether or not this broker has heard of it by now.
    let _ = tokio::time::timeout(ARRIVAL_TIMEOUT, gone).await;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The counts that describe a topic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) partitions: usize,
    pub(super) replication_factor: usize,
}

pub(super) fn described(service: &Service, name: &TopicName, shape: Shape) -> TopicData {
    let links = Links(service);
    let below = format!("/topics/{name}");
    TopicData {
        kind: "KafkaTopic".to_owned(),
        metadata: links.resource(&below, &format!("/topic={name}")),
        cluster_id: service.cluster_id(),
        topic_name: name.clone(),
        is_internal: name.is_internal(),
        replication_factor: shape.replication_factor,
        partitions_count: shape.partitions,
        partitions: links.related(&format!("{below}/partitions")),
        configs: links.related(&format!("{below}/configs")),
        partition_reassignments: links.related(&format!("{below}/partitions/-/reassignment")),
        authorized_operations: Vec::new(),
    }
}
