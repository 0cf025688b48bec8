//! Moves of replicas: of one partition, and all that are under way.

use axum::http::StatusCode;
use axum::response::Response;
use trimaran_api::rest::{ReassignmentData, ResourceList};
use trimaran_metadata::{PartitionRef, PartitionState};
use trimaran_types::{PartitionIndex, TopicName};

use super::answer::json;
use super::links::Links;
use super::partitions::found;
use super::topics;
use crate::http::app::ForClients;
use crate::http::path_names::{PathParts, check_cluster};
use crate::http::{Refusal, Service};

/// The move of one partition; nothing is added or removed where none is under way.
pub(in crate::http) async fn reassignment(
    ForClients(service): ForClients,
    path: PathParts,
) -> Result<Response, Refusal> {
    let (name, index, state) = found(&service, &path).await?;
    let data = described(&service, &name, index, &state);
    Ok(json(StatusCode::OK, &data)?)
}

/// The moves under way in one topic.
pub(in crate::http) async fn of_topic(
    ForClients(service): ForClients,
    path: PathParts,
) -> Result<Response, Refusal> {
    let (name, found) = topics::found(&service, &path).await?;
    let moving = found.topic().partitions();
    let moving = moving.filter(|(_, state)| is_under_way(state));
    let list = ResourceList {
        kind: "KafkaReassignmentList".to_owned(),
        metadata: Links(&service).list(&format!("/topics/{name}/partitions/-/reassignment")),
        data: moving
            .map(|(index, state)| described(&service, &name, index, state))
            .collect(),
    };
    Ok(json(StatusCode::OK, &list)?)
}

/// All moves under way.
pub(in crate::http) async fn all(
    ForClients(service): ForClients,
    path: PathParts,
) -> Result<Response, Refusal> {
    check_cluster(&service, path.at(0))?;
    let image = service.image();
    let moving = image.partitions().filter(|it| is_under_way(it.state));
    let one = |it: PartitionRef<'_>| described(&service, &it.topic.name, it.partition, it.state);
    let list = ResourceList {
        kind: "KafkaReassignmentList".to_owned(),
        metadata: Links(&service).list("/topics/-/partitions/-/reassignment"),
        data: moving.map(one).collect(),
    };
    Ok(json(StatusCode::OK, &list)?)
}

fn is_under_way(state: &PartitionState) -> bool {
    !state.adding_replicas.is_empty() || !state.removing_replicas.is_empty()
}

fn described(
    service: &Service,
    name: &TopicName,
    index: PartitionIndex,
    state: &PartitionState,
) -> ReassignmentData {
    let links = Links(service);
    let below = format!("/topics/{name}/partitions/{index}");
    let crn = format!("/topic={name}/partition={index}/reassignment");
    ReassignmentData {
        kind: "KafkaReassignment".to_owned(),
        metadata: links.resource(&format!("{below}/reassignment"), &crn),
        cluster_id: service.cluster_id(),
        topic_name: name.clone(),
        partition_id: index,
        adding_replicas: state.adding_replicas.clone(),
        removing_replicas: state.removing_replicas.clone(),
        replicas: links.related(&format!("{below}/replicas")),
    }
}
