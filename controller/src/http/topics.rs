//! `/v1/topics`: create, list, describe, change settings, delete.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use trimaran_api::controller::{
    AlterTopicConfigsRequest, CreateTopicRequest, TopicStatus, TopicsResponse,
};
use trimaran_api::{ApiError, headers};
use trimaran_metadata::MetadataImage;
use trimaran_types::{KafkaError, TopicId, TopicName};
use uuid::Uuid;

use super::answer::answer;
use super::forward::{ADMIN_WAIT, on_leader, on_leader_or_here};
use super::{App, Refusal};
use crate::decide::topics::{alter_topic_configs, create_topic, delete_topic, topic_status};
use crate::decide::{self, Decision, FollowUp};
use crate::proposer::{Confirm, ProposeError};

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

/// One topic; as of now, where the caller asks for that.
pub(super) async fn describe(
    State(app): State<Arc<App>>,
    Path(topic): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let name = topic_name(&topic)?;
    if request.headers().contains_key(headers::LINEARIZABLE) {
        return on_leader(&app, request, ADMIN_WAIT, |call| {
            let name = name.clone();
            async move {
                let decided = call.propose(Confirm::Quorum, move |view| {
                    Ok(Decision {
                        records: Vec::new(),
                        response: described(view, &name)?,
                    })
                });
                call.answer(&decided.await?)
            }
        })
        .await;
    }
    on_leader_or_here(&app, request, move |node, headers| {
        let topic = described(&node.published().image(), &name).map_err(ProposeError::Refused)?;
        answer(headers, &topic)
    })
    .await
}

fn described(image: &MetadataImage, name: &TopicName) -> Result<TopicStatus, decide::Refusal> {
    let topic = image.topics.by_name(name).ok_or_else(|| {
        let message = format!("topic '{name}' does not exist");
        decide::Refusal::new(KafkaError::UnknownTopicOrPartition, message)
    })?;
    Ok(topic_status(image, topic))
}

fn topic_name(text: &str) -> Result<TopicName, ApiError> {
    TopicName::new(text)
        .map_err(|invalid| ApiError::kafka(KafkaError::InvalidTopicException, invalid.to_string()))
}
