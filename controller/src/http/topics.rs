//! `/v1/topics`: create, list, describe, change settings, delete.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::response::Response;
use serde::Deserialize;
use trimaran_api::controller::{
    AlterTopicConfigsRequest, CreateTopicRequest, TopicStatus, TopicsResponse,
};
use trimaran_api::{ApiError, headers};
use trimaran_metadata::MetadataImage;
use trimaran_types::{KafkaError, PartitionIndex, TopicId, TopicName};
use uuid::Uuid;

use super::answer::answer;
use super::forward::{ADMIN_WAIT, active, on_leader, on_leader_or, on_leader_or_here};
use super::{App, LeaderCall, Refusal};
use crate::decide::topics::{
    alter_topic_configs, create_topic, delete_topic, topic_status, topic_status_with,
};
use crate::decide::{self, Decision, FollowUp};
use crate::proposer::Confirm;

/// Creates a topic; answered when it is committed.
pub(super) async fn create(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Refusal> {
    on_leader(&app, request, ADMIN_WAIT, |call| async move {
        let request: CreateTopicRequest = call.message()?;
        let topic_id = TopicId::from_uuid(Uuid::new_v4());
        let seed: u64 = rand::random();
        let decided = call.propose(Confirm::Quorum, move |view| {
            create_topic(view, &request, topic_id, seed)
        });
        call.answer(&decided.await?)
    })
    .await
}

/// Deletes a topic; answered when that is committed.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path(topic): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let name = topic_name(&topic)?;
    on_leader(&app, request, ADMIN_WAIT, |call| {
        let name = name.clone();
        async move {
            let decided = call.propose(Confirm::Quorum, move |view| delete_topic(view, &name));
            let topic_id = decided.await?;
            call.answer(&serde_json::json!({"topic_id": topic_id}))
        }
    })
    .await
}

/// Changes settings of a topic; answered when that is committed.
pub(super) async fn alter_configs(
    State(app): State<Arc<App>>,
    Path(topic): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let name = topic_name(&topic)?;
    on_leader(&app, request, ADMIN_WAIT, |call| {
        let name = name.clone();
        async move {
            let request: AlterTopicConfigsRequest = call.message()?;
            let decided = call.propose(Confirm::Quorum, move |view| {
                alter_topic_configs(view, &name, &request)
            });
            let altered = decided.await?;
            match altered.follow_up {
                FollowUp::ElectLeaderless | FollowUp::DecideAgain => {
                    call.node.sessions().owe_sweep();
                }
                FollowUp::Nothing => {}
            }
            call.answer(&altered.topic)
        }
    })
    .await
}

/// Every topic, as the active controller sees it where there is one.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Refusal> {
    on_leader_or_here(&app, request, |node, headers| {
        let image = node.published().image();
        let topics = image
            .topics
            .iter()
            .map(|topic| topic_status(&image, topic))
            .collect();
        answer(headers, &TopicsResponse { topics })
    })
    .await
}

/// Which part of a topic is asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Part {
    /// One partition alone; all, where it is absent.
    partition: Option<u32>,
}

/// One topic; as of now, where the caller asks for that.
///
/// That there is no such topic is said only with a majority behind it: a client that had its creation
/// answered goes by it.
pub(super) async fn describe(
    State(app): State<Arc<App>>,
    Path(topic): Path<String>,
    part: Result<Query<Part>, QueryRejection>,
    request: Request,
) -> Result<Response, Refusal> {
    let name = topic_name(&topic)?;
    let Query(part) = part.map_err(|error| {
        ApiError::kafka(KafkaError::InvalidRequest, error.body_text()).with_code(400)
    })?;
    let only = part.partition.map(PartitionIndex);
    let must_be_now = request.headers().contains_key(headers::LINEARIZABLE);
    let lead = |call: LeaderCall| {
        let name = name.clone();
        async move {
            if !must_be_now {
                active(&call.node)?;
                let found = found(&call.node.published().image(), &name, only);
                if let Some(topic) = found {
                    return call.answer(&topic);
                }
            }
            let decided = call.propose(Confirm::Quorum, move |view| described(view, &name, only));
            call.answer(&decided.await?)
        }
    };
    if must_be_now {
        return on_leader(&app, request, ADMIN_WAIT, lead).await;
    }
    on_leader_or(&app, request, lead, |node, headers| {
        let Some(topic) = found(&node.published().image(), &name, only) else {
            let message = format!("no active controller, and this one knows no topic '{name}'");
            return Err(ApiError::kafka(KafkaError::NotController, message).into());
        };
        answer(headers, &topic)
    })
    .await
}

fn found(
    image: &MetadataImage,
    name: &TopicName,
    only: Option<PartitionIndex>,
) -> Option<TopicStatus> {
    let topic = image.topics.by_name(name)?;
    Some(match only {
        Some(partition) => topic_status_with(image, topic, partition),
        None => topic_status(image, topic),
    })
}

fn described(
    view: &MetadataImage,
    name: &TopicName,
    only: Option<PartitionIndex>,
) -> Result<Decision<TopicStatus>, decide::Refusal> {
    let response = found(view, name, only).ok_or_else(|| {
        let message = format!("topic '{name}' does not exist");
        decide::Refusal::new(KafkaError::UnknownTopicOrPartition, message)
    })?;
    let records = Vec::new();
    Ok(Decision { records, response })
}

fn topic_name(text: &str) -> Result<TopicName, ApiError> {
    TopicName::new(text)
        .map_err(|invalid| ApiError::kafka(KafkaError::InvalidTopicException, invalid.to_string()))
}
