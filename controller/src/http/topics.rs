//! `/v1/topics`: create, list, describe, delete.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use trimaran_api::ApiError;
use trimaran_api::controller::{CreateTopicRequest, TopicsResponse};
use trimaran_metadata::MetadataImage;
use trimaran_types::{KafkaError, TopicId, TopicName};
use uuid::Uuid;

use super::answer::{answer, message};
use super::forward::{ADMIN_WAIT, on_leader};
use super::{App, Refusal};
use crate::decide::topics::{create_topic, delete_topic, topic_status};
use crate::proposer::Confirm;

/// Creates a topic; answered when it is committed.
pub(super) async fn create(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Refusal> {
    on_leader(
        &app,
        request,
        ADMIN_WAIT,
        |node, headers, body| async move {
            let request: CreateTopicRequest = message(&headers, &body)?;
            let topic_id = TopicId::from_uuid(Uuid::new_v4());
            let seed: u64 = rand::random();
            let decided = node.proposer().propose(Confirm::Quorum, move |view| {
                create_topic(view, &request, topic_id, seed)
            });
            answer(&headers, &decided.await?)
        },
    )
    .await
}

/// Deletes a topic; answered when that is committed.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path(topic): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let name = topic_name(&topic)?;
    on_leader(&app, request, ADMIN_WAIT, |node, headers, _| {
        let name = name.clone();
        async move {
            let decided = node
                .proposer()
                .propose(Confirm::Quorum, move |view| delete_topic(view, &name));
            let topic_id = decided.await?;
            answer(&headers, &serde_json::json!({"topic_id": topic_id}))
        }
    })
    .await
}

/// Every topic, as the active controller sees it where there is one.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Refusal> {
    read(&app, headers, request, |image| {
        let topics = image
            .topics
            .iter()
            .map(|topic| topic_status(image, topic))
            .collect();
        Ok(TopicsResponse { topics })
    })
    .await
}

/// One topic.
pub(super) async fn describe(
    State(app): State<Arc<App>>,
    Path(topic): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Refusal> {
    let name = topic_name(&topic)?;
    read(&app, headers, request, move |image| {
        let topic = image.topics.by_name(&name).ok_or_else(|| {
            let message = format!("topic '{name}' does not exist");
            ApiError::kafka(KafkaError::UnknownTopicOrPartition, message)
        })?;
        Ok(topic_status(image, topic))
    })
    .await
}

/// Reads from the active controller, which has every committed change; without one, from here.
async fn read<T: serde::Serialize>(
    app: &App,
    headers: HeaderMap,
    request: Request,
    query: impl Fn(&MetadataImage) -> Result<T, ApiError> + Clone,
) -> Result<Response, Refusal> {
    let node = app.node()?;
    if node.leader().is_some() {
        let passed = on_leader(app, request, ADMIN_WAIT, |node, headers, _| {
            let query = query.clone();
            async move { answer(&headers, &query(&node.published().image())?) }
        });
        match passed.await {
            Err(refusal) if refusal.0.body.kafka_error == Some(KafkaError::NotController) => {}
            passed => return passed,
        }
    }
    answer(&headers, &query(&node.published().image())?)
}

fn topic_name(text: &str) -> Result<TopicName, ApiError> {
    TopicName::new(text)
        .map_err(|invalid| ApiError::kafka(KafkaError::InvalidTopicException, invalid.to_string()))
}
