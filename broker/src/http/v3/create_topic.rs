//! `POST /v3/clusters/{cluster}/topics`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use trimaran_api::controller::{CreateTopicRequest, CreateTopicResponse};
use trimaran_api::rest::CreateTopicBody;
use trimaran_api::{ApiError, paths};
use trimaran_metadata::MetadataImage;
use trimaran_types::{BrokerId, KafkaError, PartitionIndex, TopicId, TopicName};

use super::answer::json;
use super::links::Links;
use super::strict_body;
use super::topics::{Shape, described};
use crate::http::app::{App, ForClients};
use crate::http::path_names::{PathParts, check_cluster};
use crate::http::{Refusal, Service, admin};

/// How long a creation waits until this broker knows the topic's leaders.
const LEADERS_TIMEOUT: Duration = Duration::from_secs(5);

/// Creates a topic; answered when that is committed and the topic can be used through this broker.
pub(in crate::http) async fn create(
    State(app): State<Arc<App>>,
    ForClients(service): ForClients,
    path: PathParts,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    check_cluster(&service, path.at(0))?;
    let body = strict_body::read(&app, &headers, body).await?;
    let request = asked_for(&service, body)?;
    let created: CreateTopicResponse = admin::change(&service, |http, base| {
        http.post(format!("{base}{}", paths::TOPICS)).json(&request)
    })
    .await?;
    let topic = created.topic;
    let replicas = topic.partitions.iter().map(|it| it.replicas.len());
    let shape = Shape {
        partitions: topic.partitions.len(),
        replication_factor: replicas.max().unwrap_or_default(),
    };
    let data = described(&service, &topic.name, shape);
    if request.validate_only {
        return Ok(json(StatusCode::OK, &data)?);
    }
    wait_for_leaders(&service, topic.topic_id).await;
    let mut response = json(StatusCode::CREATED, &data)?;
    let location = Links(&service).url(&format!("/topics/{}", topic.name));
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

fn asked_for(service: &Service, body: CreateTopicBody) -> Result<CreateTopicRequest, ApiError> {
    TopicName::new(&body.topic_name).map_err(|invalid| {
        let refusal = ApiError::kafka(KafkaError::InvalidTopicException, invalid.to_string());
        refusal.with_code(42206)
    })?;
    let assignments = body.replicas_assignments.map(assignments).transpose()?;
    let defaults = service.topic_defaults();
    let has_counts = assignments.is_none();
    Ok(CreateTopicRequest {
        name: body.topic_name,
        partitions: body
            .partitions_count
            .or(has_counts.then_some(defaults.partitions)),
        replication_factor: body
            .replication_factor
            .or(defaults.replication_factor.filter(|_| has_counts)),
        assignments,
        configs: body.configs,
        validate_only: body.validate_only,
    })
}

fn assignments(
    sent: BTreeMap<String, Vec<BrokerId>>,
) -> Result<BTreeMap<PartitionIndex, Vec<BrokerId>>, ApiError> {
    sent.into_iter()
        .map(|(partition, brokers)| {
            let index = partition.parse().map_err(|_| {
                let shown: String = partition.chars().take(64).collect();
                let message = format!("'{shown}' in replicas_assignments is no partition number");
                ApiError::kafka(KafkaError::InvalidReplicaAssignment, message)
            })?;
            Ok((PartitionIndex(index), brokers))
        })
        .collect()
}

/// The topic exists from here on; that this broker can serve it is only waited for a while.
async fn wait_for_leaders(service: &Service, topic_id: TopicId) {
    let has_leaders = |image: &Arc<MetadataImage>| {
        image
            .topics
            .get(topic_id)
            .is_some_and(|topic| topic.partitions().all(|(_, state)| state.leader.is_some()))
    };
    let mut images = service.images();
    if tokio::time::timeout(LEADERS_TIMEOUT, images.wait_for(has_leaders))
        .await
        .is_err()
    {
        tracing::warn!(%topic_id, "a new topic has no leaders yet");
    }
}
