//! Replicas: of a partition, one of them, and all of a broker.

use axum::http::StatusCode;
use axum::response::Response;
use trimaran_api::ApiError;
use trimaran_api::rest::{ReplicaData, ResourceList};
use trimaran_metadata::PartitionState;
use trimaran_types::{BrokerId, PartitionIndex, TopicName};

use super::answer::json;
use super::brokers;
use super::links::Links;
use super::partitions::found;
use crate::http::app::ForClients;
use crate::http::path_names::PathParts;
use crate::http::{Refusal, Service};

/// The replicas of a partition.
pub(in crate::http) async fn replicas(
    ForClients(service): ForClients,
    path: PathParts,
) -> Result<Response, Refusal> {
    let (name, index, state) = found(&service, &path).await?;
    let replicas = state.replicas.iter();
    let list = ResourceList {
        kind: "KafkaReplicaList".to_owned(),
        metadata: Links(&service).list(&format!("/topics/{name}/partitions/{index}/replicas")),
        data: replicas
            .map(|id| described(&service, &name, index, &state, *id))
            .collect(),
    };
    Ok(json(StatusCode::OK, &list)?)
}

/// One replica of a partition.
pub(in crate::http) async fn replica(
    ForClients(service): ForClients,
    path: PathParts,
) -> Result<Response, Refusal> {
    let (name, index, state) = found(&service, &path).await?;
    let id = path.at(3).parse().ok().map(BrokerId);
    let id = id.filter(|id| state.replicas.contains(id)).ok_or_else(|| {
        let shown: String = path.at(3).chars().take(64).collect();
        let message = format!("partition {name}-{index} has no replica on broker {shown}");
        ApiError::new(404, message)
    })?;
    let data = described(&service, &name, index, &state, id);
    Ok(json(StatusCode::OK, &data)?)
}

/// All replicas of a broker.
pub(in crate::http) async fn of_broker(
    ForClients(service): ForClients,
    path: PathParts,
) -> Result<Response, Refusal> {
    let image = service.image();
    let broker = brokers::found(&service, &image, &path)?.broker_id;
    let hosted = image.partitions_hosted_on(broker);
    let list = ResourceList {
        kind: "KafkaReplicaList".to_owned(),
        metadata: Links(&service).list(&format!("/brokers/{broker}/partition-replicas")),
        data: hosted
            .map(|it| described(&service, &it.topic.name, it.partition, it.state, broker))
            .collect(),
    };
    Ok(json(StatusCode::OK, &list)?)
}

fn described(
    service: &Service,
    name: &TopicName,
    index: PartitionIndex,
    state: &PartitionState,
    id: BrokerId,
) -> ReplicaData {
    let links = Links(service);
    let below = format!("/topics/{name}/partitions/{index}/replicas/{id}");
    let crn = format!("/topic={name}/partition={index}/replica={id}");
    ReplicaData {
        kind: "KafkaReplica".to_owned(),
        metadata: links.resource(&below, &crn),
        cluster_id: service.cluster_id(),
        topic_name: name.clone(),
        partition_id: index,
        broker_id: id,
        is_leader: state.leader == Some(id),
        is_in_sync: state.isr.contains(&id),
        broker: links.related(&format!("/brokers/{id}")),
    }
}
