//! Calls that only the active controller can serve: done here, or passed on to it, once.
//!
//! While there is no active controller the call waits for one, for as long as its kind allows.
//! What was sent and broke off is not sent again: nobody knows whether it was done.

use std::future::Future;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use tokio::time::Instant;
use trimaran_api::{ApiError, ErrorBody, headers};
use trimaran_types::KafkaError;

use super::answer::read_body;
use super::{App, LeaderCall, Refusal};
use crate::node::{KNOCK_TIMEOUT, Node};

/// How long an admin call waits for an active controller.
pub(super) const ADMIN_WAIT: Duration = Duration::from_secs(2);
/// How long a heartbeat does: a late one is worth less than a new one.
pub(super) const HEARTBEAT_WAIT: Duration = Duration::from_millis(500);

/// Pause before another look for the active controller.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Added to the time that the active controller itself may take.
const FORWARD_MARGIN: Duration = Duration::from_secs(1);
/// What the way to the active controller and back may take of the caller's time.
const FORWARD_SLACK: Duration = Duration::from_millis(20);

/// Serves `request` by `handle` on the active controller. `handle` may run again after it was
/// refused with `NOT_CONTROLLER`, which says that nothing was done.
///
/// A caller that says how long it waits gets an answer by then; what was not begun is not done.
pub(super) async fn on_leader<H, F>(
    app: &App,
    request: Request,
    wait: Duration,
    handle: H,
) -> Result<Response, Refusal>
where
    H: Fn(LeaderCall) -> F,
    F: Future<Output = Result<Response, Refusal>>,
{
    let node = app.node()?;
    let (parts, body) = request.into_parts();
    let is_forwarded = parts.headers.contains_key(headers::FORWARDED);
    let longest = node.config().request_timeout + wait + FORWARD_MARGIN;
    let patience = told_patience(&parts.headers).map_or(longest, |told| told.min(longest));
    let give_up = Instant::now() + patience;
    // The knocks for the refusal take their part of the time.
    let look_until = Instant::now() + wait.min(patience.saturating_sub(KNOCK_TIMEOUT));
    let body = read_body(body).await?;
    loop {
        let left = give_up.saturating_duration_since(Instant::now());
        let outcome = if node.is_leader() && !node.leads_in_vain() {
            let call = LeaderCall::new(&node, &parts.headers, &body, left);
            handle(call).await
        } else if let Some((_, address)) = node.leader().filter(|_| !is_forwarded) {
            let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
            let request = node
                .http()
                .request(parts.method.clone(), format!("http://{address}{path}"))
                .headers(passed_on(&parts.headers, left))
                .timeout(left)
                .body(body.clone());
            forward(request, &address).await
        } else {
            Err(ApiError::kafka(KafkaError::NotController, "no active controller").into())
        };
        match outcome {
            Err(refusal) if is_not_controller(&refusal.0.body) => {
                if is_forwarded {
                    return Err(refusal);
                }
            }
            outcome => return outcome,
        }
        if Instant::now() >= look_until {
            return Err(no_leader(&node).await.into());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// The same for a question: the active controller has every committed change; without one, this
/// controller tells what it has applied itself.
pub(super) async fn on_leader_or_here<H>(
    app: &App,
    request: Request,
    handle: H,
) -> Result<Response, Refusal>
where
    H: Fn(&Node, &HeaderMap) -> Result<Response, Refusal>,
{
    let lead = |call: LeaderCall| {
        std::future::ready(active(&call.node).and_then(|()| handle(&call.node, &call.headers)))
    };
    on_leader_or(app, request, lead, &handle).await
}

/// Answers by `lead` on the active controller; without one, by `here`.
pub(super) async fn on_leader_or<H, F>(
    app: &App,
    request: Request,
    lead: H,
    here: impl Fn(&Node, &HeaderMap) -> Result<Response, Refusal>,
) -> Result<Response, Refusal>
where
    H: Fn(LeaderCall) -> F,
    F: Future<Output = Result<Response, Refusal>>,
{
    let node = app.node()?;
    let headers = request.headers().clone();
    if node.leader().is_some() {
        match on_leader(app, request, ADMIN_WAIT, lead).await {
            Err(refusal) if is_not_controller(&refusal.0.body) => {}
            passed => return passed,
        }
    }
    here(&node, &headers)
}

/// Whether this controller has all that its predecessors committed: one that was just elected may
/// not have applied it yet.
///
/// # Errors
/// `NOT_CONTROLLER`: it has not; a moment later it has.
pub(super) fn active(node: &Node) -> Result<(), Refusal> {
    if node.proposer().active_term().is_some() {
        return Ok(());
    }
    let message = "this controller was elected and has not caught up yet";
    Err(ApiError::kafka(KafkaError::NotController, message).into())
}

/// How long the caller says that it waits.
fn told_patience(received: &HeaderMap) -> Option<Duration> {
    let told = received.get(headers::TIMEOUT_MS)?.to_str().ok()?;
    told.parse().ok().map(Duration::from_millis)
}

fn is_not_controller(body: &ErrorBody) -> bool {
    body.kafka_error == Some(KafkaError::NotController)
}

/// The headers that matter to the active controller, with the mark against a second hop.
fn passed_on(received: &HeaderMap, left: Duration) -> HeaderMap {
    let mut passed = HeaderMap::with_capacity(4);
    let cluster = HeaderName::from_static(headers::CLUSTER_ID);
    for name in [header::CONTENT_TYPE, header::ACCEPT, cluster] {
        if let Some(value) = received.get(&name) {
            passed.insert(name, value.clone());
        }
    }
    passed.insert(headers::FORWARDED, HeaderValue::from_static("1"));
    let told = left.saturating_sub(FORWARD_SLACK).as_millis();
    let told = HeaderValue::from(u64::try_from(told).unwrap_or(u64::MAX));
    passed.insert(headers::TIMEOUT_MS, told);
    passed
}

async fn forward(request: reqwest::RequestBuilder, address: &str) -> Result<Response, Refusal> {
    let response = request.send().await.map_err(|error| {
        if error.is_connect() {
            // It has not seen the call: another controller may be active in a moment.
            let message = format!("cannot reach the active controller at {address}: {error}");
            ApiError::kafka(KafkaError::NotController, message)
        } else {
            let message = format!(
                "the active controller at {address} did not answer; the change may still take effect"
            );
            ApiError::kafka(KafkaError::RequestTimedOut, message)
        }
    })?;
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE).cloned();
    let leader = response.headers().get(headers::CONTROLLER_LEADER).cloned();
    let bytes = trimaran_api::client::read_body(response, address)
        .await
        .map_err(|error| ApiError::kafka(KafkaError::NetworkException, error.to_string()))?;
    if status == StatusCode::SERVICE_UNAVAILABLE
        && let Ok(body) = serde_json::from_slice::<ErrorBody>(&bytes)
        && is_not_controller(&body)
    {
        return Err(ApiError {
            status,
            body: Box::new(body),
        }
        .into());
    }
    let mut passed = Response::new(Body::from(bytes));
    *passed.status_mut() = status;
    if let Some(kind) = kind {
        passed.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    if let Some(leader) = leader {
        passed
            .headers_mut()
            .insert(headers::CONTROLLER_LEADER, leader);
    }
    Ok(passed)
}

/// Says which voters can be reached, so that the operator knows where to look.
async fn no_leader(node: &Node) -> ApiError {
    let (reachable, unreachable) = node.reachable_voters().await;
    let list = |ids: &[u64]| {
        if ids.is_empty() {
            return "none".to_owned();
        }
        ids.iter()
            .map(u64::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let message = format!(
        "there is no active controller; controllers reachable: {}; not reachable: {}",
        list(&reachable),
        list(&unreachable)
    );
    let details = serde_json::json!({"reachable": reachable, "unreachable": unreachable});
    ApiError::kafka(KafkaError::NotController, message)
        .with_code(503)
        .with_details(details)
}
