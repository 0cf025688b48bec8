//! The controllers' read-only views, through any broker: for the command line, and for people.
//!
//! Only what is routed here can be asked for, only by `GET`, and a path that would climb out of its
//! folder is refused, so that nothing else of a controller's listener is reachable.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::Response;
use tokio::time::Instant;
use trimaran_api::client::{CallError, call_bytes};
use trimaran_api::controller::ClusterStatus;
use trimaran_api::{ApiError, paths};
use trimaran_types::KafkaError;

use super::admin::{for_clients, json_bytes};
use super::app::ForClients;
use super::path_names::{PathParts, topic_name};
use super::{Refusal, Service};

/// A page of the log may be waited for this long, and a little longer.
const LOG_TIMEOUT: Duration = Duration::from_secs(70);
const VIEW_TIMEOUT: Duration = Duration::from_secs(10);
/// How long controllers that cannot be reached are tried in turn.
const PATIENCE: Duration = Duration::from_secs(2);
const ROUND_PAUSE: Duration = Duration::from_millis(50);

/// Who answers here: this broker, and its cluster.
pub(super) async fn cluster(ForClients(service): ForClients) -> Result<Response, Refusal> {
    let status = ClusterStatus {
        cluster_id: Some(service.cluster_id()),
        node: format!("broker-{}", service.broker_id()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let mut response = Response::new(Body::from(json_bytes(&status)?));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// A view whose path has no parts, or parts that cannot climb.
pub(super) async fn view(
    ForClients(service): ForClients,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    Ok(pass_on(&service, &uri, &headers).await?)
}

/// A view of one topic.
pub(super) async fn topic(
    ForClients(service): ForClients,
    path: PathParts,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    topic_name(path.at(0))?;
    Ok(pass_on(&service, &uri, &headers).await?)
}

/// A part of the metadata tree.
pub(super) async fn subtree(
    ForClients(service): ForClients,
    path: PathParts,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let climbs = |part: &str| matches!(part, "." | "..");
    if path.at(0).split(['/', '\\']).any(climbs) {
        return Err(ApiError::new(404, "a path of the metadata has no '.' and no '..'").into());
    }
    Ok(pass_on(&service, &uri, &headers).await?)
}

async fn pass_on(service: &Service, uri: &Uri, headers: &HeaderMap) -> Result<Response, ApiError> {
    let controllers = service.controllers();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let is_log = uri.path() == paths::METADATA_LOG;
    let timeout = if is_log { LOG_TIMEOUT } else { VIEW_TIMEOUT };
    let deadline = Instant::now() + PATIENCE;
    let mut tries = 0_usize;
    loop {
        let address = controllers.preferred().to_owned();
        let url = format!("http://{address}{path}");
        let mut call = controllers.http().get(url).timeout(timeout);
        if let Some(accept) = headers.get(ACCEPT) {
            call = call.header(ACCEPT, accept);
        }
        let error = match call_bytes(call, &address).await {
            Ok(response) => return Ok(passed(response)),
            Err(CallError::Refused(refusal)) => return Err(for_clients(refusal)),
            Err(error) => error,
        };
        controllers.avoid(&address);
        tries += 1;
        let is_round_over = tries.is_multiple_of(controllers.addresses().len().max(1));
        if is_round_over && Instant::now() >= deadline {
            let message = format!("no controller can be reached: {error}");
            return Err(ApiError::kafka(KafkaError::BrokerNotAvailable, message));
        }
        if is_round_over {
            tokio::time::sleep(ROUND_PAUSE).await;
        }
    }
}

/// The controller's success, as it comes.
fn passed(response: reqwest::Response) -> Response {
    let mut headers = HeaderMap::new();
    if let Some(kind) = response.headers().get(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, kind.clone());
    }
    let status = response.status();
    let mut passed = Response::new(Body::from_stream(response.bytes_stream()));
    *passed.status_mut() = status;
    *passed.headers_mut() = headers;
    passed
}
