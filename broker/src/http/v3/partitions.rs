//! `/v3/clusters/{cluster}/topics/{topic}/partitions` and one of them.

use axum::http::StatusCode;
use axum::response::Response;
use trimaran_api::ApiError;
use trimaran_api::rest::{PartitionData, ResourceList};
use trimaran_metadata::PartitionState;
use trimaran_types::{PartitionIndex, TopicName};

use super::answer::json;
use super::links::Links;
use super::topics;
use crate::http::app::ForClients;
use crate::http::path_names::{PathParts, partition_index};
use crate::http::{Refusal, Service};

/// The partitions of a topic.
pub(in crate::http) async fn partitions(
    ForClients(service): ForClients,
    path: PathParts,
) -> Result<Response, Refusal> {
    let (name, found) = topics::found(&service, &path).await?;
    let partitions = found.topic().partitions();
    let list = ResourceList {
        kind: "KafkaPartitionList".to_owned(),
        metadata: Links(&service).list(&format!("/topics/{name}/partitions")),
        data: partitions
            .map(|(index, state)| described(&service, &name, index, state))
            .collect(),
    };
    Ok(json(StatusCode::OK, &list)?)
}

/// One partition.
pub(in crate::http) async fn partition(
    ForClients(service): ForClients,
    path: PathParts,
) -> Result<Response, Refusal> {
    let (name, index, state) = found(&service, &path).await?;
    Ok(json(
        StatusCode::OK,
        &described(&service, &name, index, &state),
    )?)
}

/// The partition that a path names.
pub(super) async fn found(
    service: &Service,
    path: &PathParts,
) -> Result<(TopicName, PartitionIndex, PartitionState), ApiError> {
    // The number is looked at first: what cannot exist is not asked for.
    let index = partition_index(path.at(2))?;
    let (name, topic) = topics::found(service, path).await?;
    let id = topic.partition(index)?;
    let state = topic
        .image()
        .partition(id)
        .expect("an image does not change, and this one holds the partition");
    Ok((name, index, state.clone()))
}

fn described(
    service: &Service,
    name: &TopicName,
    index: PartitionIndex,
    state: &PartitionState,
) -> PartitionData {
    let links = Links(service);
    let below = format!("/topics/{name}/partitions/{index}");
    PartitionData {
        kind: "KafkaPartition".to_owned(),
        metadata: links.resource(&below, &format!("/topic={name}/partition={index}")),
        cluster_id: service.cluster_id(),
        topic_name: name.clone(),
        partition_id: index,
        leader: state
            .leader
            .map(|leader| links.related(&format!("{below}/replicas/{leader}"))),
        replicas: links.related(&format!("{below}/replicas")),
        reassignment: links.related(&format!("{below}/reassignment")),
    }
}
