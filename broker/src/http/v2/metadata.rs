//! `/topics`, `/topics/{topic}`, its partitions, and `/brokers`.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use trimaran_api::rest::{BrokersV2, PartitionV2, ReplicaV2, TopicV2};
use trimaran_metadata::PartitionState;
use trimaran_types::{PartitionIndex, TopicName};

use super::topic_configs;
use crate::http::Refusal;
use crate::http::app::ForClients;
use crate::http::content_type::V2;
use crate::http::path_names::{PathParts, partition_index, topic_name};
use crate::http::topic_lookup::{self, UNKNOWN_TOPIC};

/// The names of all topics.
pub(in crate::http) async fn topics(ForClients(service): ForClients) -> Response {
    let image = service.image();
    let names: Vec<&TopicName> = image.topics.iter().map(|topic| &topic.name).collect();
    answer(&names)
}

/// One topic: settings and partitions.
pub(in crate::http) async fn topic(
    ForClients(service): ForClients,
    path: PathParts,
) -> Result<Response, Refusal> {
    let name = topic_name(path.at(0))?;
    let found = topic_lookup::topic(&service, &name, UNKNOWN_TOPIC).await?;
    let partitions = found.topic().partitions();
    Ok(answer(&TopicV2 {
        configs: topic_configs::effective(found.image(), &name),
        partitions: partitions
            .map(|(index, state)| described(index, state))
            .collect(),
        name,
    }))
}

/// The partitions of a topic.
pub(in crate::http) async fn partitions(
    ForClients(service): ForClients,
    path: PathParts,
) -> Result<Response, Refusal> {
    let name = topic_name(path.at(0))?;
    let found = topic_lookup::topic(&service, &name, UNKNOWN_TOPIC).await?;
    let partitions = found.topic().partitions();
    let partitions: Vec<PartitionV2> = partitions
        .map(|(index, state)| described(index, state))
        .collect();
    Ok(answer(&partitions))
}

/// One partition.
pub(in crate::http) async fn partition(
    ForClients(service): ForClients,
    path: PathParts,
) -> Result<Response, Refusal> {
    let name = topic_name(path.at(0))?;
    let index = partition_index(path.at(1))?;
    let found = topic_lookup::topic(&service, &name, UNKNOWN_TOPIC).await?;
    found.partition(index)?;
    let state = found.topic().partition(index);
    Ok(answer(&state.map(|state| described(index, state))))
}

/// The ids of the brokers in service.
pub(in crate::http) async fn brokers(ForClients(service): ForClients) -> Response {
    let image = service.image();
    let active = image.brokers.iter().filter(|broker| broker.is_active());
    answer(&BrokersV2 {
        brokers: active.map(|broker| broker.broker_id).collect(),
    })
}

fn described(partition: PartitionIndex, state: &PartitionState) -> PartitionV2 {
    let replica = |broker: &trimaran_types::BrokerId| ReplicaV2 {
        broker: *broker,
        leader: state.leader == Some(*broker),
        in_sync: state.isr.contains(broker),
    };
    PartitionV2 {
        partition,
        leader: state.leader.map_or(-1, |leader| i64::from(leader.0)),
        replicas: state.replicas.iter().map(replica).collect(),
    }
}

/// A success in v2's own media type.
fn answer<T: Serialize>(value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => ([(CONTENT_TYPE, V2)], bytes).into_response(),
        Err(error) => Refusal(trimaran_api::ApiError::new(500, error.to_string())).into_response(),
    }
}
