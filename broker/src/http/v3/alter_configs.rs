//! Changes of a topic's settings: `PUT` and `DELETE` of one, `POST …/configs:alter` of several.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use trimaran_api::controller::{AlterTopicConfigsRequest, ConfigEntry, TopicStatus};
use trimaran_api::rest::{AlterConfigsBody, ConfigOperation, SetConfigBody};
use trimaran_api::{ApiError, paths};
use trimaran_types::{KafkaError, TopicName};

use super::strict_body;
use crate::http::app::{App, ForClients};
use crate::http::path_names::{PathParts, check_cluster, topic_name};
use crate::http::{Refusal, Service, admin};

/// How long a change waits until this broker knows of it, too.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(2);

/// Sets one setting; answered when that is committed.
pub(in crate::http) async fn set(
    State(app): State<Arc<App>>,
    ForClients(service): ForClients,
    path: PathParts,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    check_cluster(&service, path.at(0))?;
    let name = topic_name(path.at(1))?;
    let body: SetConfigBody = strict_body::read(&app, &headers, body).await?;
    let configs = vec![entry(path.at(2), Some(body.value))];
    change(&service, &name, configs, false).await
}

/// Takes one setting back to its default; answered when that is committed.
pub(in crate::http) async fn reset(
    ForClients(service): ForClients,
    path: PathParts,
) -> Result<Response, Refusal> {
    check_cluster(&service, path.at(0))?;
    let name = topic_name(path.at(1))?;
    change(&service, &name, vec![entry(path.at(2), None)], false).await
}

/// Changes several settings, all or none; answered when that is committed.
pub(in crate::http) async fn alter(
    State(app): State<Arc<App>>,
    ForClients(service): ForClients,
    path: PathParts,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    check_cluster(&service, path.at(0))?;
    let name = topic_name(path.at(1))?;
    let body: AlterConfigsBody = strict_body::read(&app, &headers, body).await?;
    let mut configs = Vec::with_capacity(body.data.len());
    for change in body.data {
        let value = match (change.operation, change.value) {
            (ConfigOperation::Delete, _) => None,
            (ConfigOperation::Set, Some(value)) => Some(value),
            (ConfigOperation::Set, None) => {
                let message = format!("setting '{}' is to be set and has no value", change.name);
                return Err(ApiError::kafka(KafkaError::InvalidConfig, message).into());
            }
        };
        configs.push(entry(&change.name, value));
    }
    change(&service, &name, configs, body.validate_only).await
}

fn entry(name: &str, value: Option<String>) -> ConfigEntry {
    ConfigEntry {
        name: name.to_owned(),
        value,
    }
}

async fn change(
    service: &Service,
    topic: &TopicName,
    configs: Vec<ConfigEntry>,
    validate_only: bool,
) -> Result<Response, Refusal> {
    let request = AlterTopicConfigsRequest {
        configs,
        validate_only,
    };
    let below = paths::fill(paths::TOPIC_CONFIGS, &[topic]);
    let changed: TopicStatus = admin::change(service, |http, base| {
        http.post(format!("{base}{below}")).json(&request)
    })
    .await?;
    if !validate_only {
        let mut images = service.images();
        let arrives = images.wait_for(|image| {
            let known = image.configs.topic(topic);
            known.eq(changed
                .configs
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str())))
        });
        // It is committed whether or not this broker has heard of it by now.
        let _ = tokio::time::timeout(ARRIVAL_TIMEOUT, arrives).await;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}
