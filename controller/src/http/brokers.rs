//! `/v1/brokers`: registration, heartbeats, and the list with reasons.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use trimaran_api::ApiError;
use trimaran_api::controller::{
    BrokerState, BrokerStatus, BrokersResponse, HeartbeatRequest, RegisterBrokerRequest,
};
use trimaran_metadata::{BrokerRegistration, MetadataImage};
use trimaran_types::KafkaError;

use super::answer::{answer, message};
use super::forward::{ADMIN_WAIT, HEARTBEAT_WAIT, on_leader};
use super::{App, Refusal};
use crate::decide::FollowUp;
use crate::decide::brokers::{self, HeartbeatContext, RegisterContext};
use crate::node::Node;
use crate::proposer::Confirm;

/// A broker registers; answered when that is committed.
pub(super) async fn register(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Refusal> {
    on_leader(
        &app,
        request,
        ADMIN_WAIT,
        |node, headers, body| async move {
            let request: RegisterBrokerRequest = message(&headers, &body)?;
            let broker = request.broker_id;
            let request = Arc::new(request);
            loop {
                let (node_, request) = (Arc::clone(&node), Arc::clone(&request));
                let decided = node.proposer().propose(Confirm::Quorum, move |view| {
                    let context = RegisterContext {
                        cluster_id: node_.identity().cluster_id,
                        session_is_valid: node_
                            .sessions()
                            .lock()
                            .is_held(broker, node_.clock().now()),
                    };
                    brokers::register(view, &request, context)
                });
                let outcome = decided.await?;
                if let (Some(response), FollowUp::Nothing) = (outcome.response, outcome.follow_up) {
                    node.sessions()
                        .lock()
                        .registered(broker, node.clock().now());
                    tracing::info!(%broker, epoch = %response.broker_epoch, "a broker registered");
                    return answer(&headers, &response);
                }
            }
        },
    )
    .await
}

/// A broker says that it lives, and what it wants.
pub(super) async fn heartbeat(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Refusal> {
    // At once: the broker is to look for the active controller elsewhere.
    if app.node()?.leads_in_vain() {
        let message = "no majority of the controllers answers this one";
        return Err(ApiError::kafka(KafkaError::NotController, message).into());
    }
    on_leader(
        &app,
        request,
        HEARTBEAT_WAIT,
        |node, headers, body| async move {
            let request: HeartbeatRequest = message(&headers, &body)?;
            note(&node, &request);
            let request = Arc::new(request);
            let beat = Arc::clone(&request);
            loop {
                let (sessions, request) = (node.sessions().clone(), Arc::clone(&request));
                let decided = node.proposer().propose(Confirm::Nothing, move |view| {
                    let lowest = sessions.lock().lowest_active_metadata_end(view);
                    let context = HeartbeatContext {
                        lowest_active_metadata_end: lowest,
                    };
                    brokers::heartbeat(view, &request, context)
                });
                let outcome = decided.await?;
                match outcome.follow_up {
                    FollowUp::DecideAgain => {
                        tell_damage(&beat);
                        continue;
                    }
                    // Not here: this call ends with the broker's patience.
                    FollowUp::ElectLeaderless => node.sessions().owe_sweep(),
                    FollowUp::Nothing => {}
                }
                return answer(&headers, &outcome.response);
            }
        },
    )
    .await
}

/// Tells the log of damaged replicas, once something was decided because of them.
fn tell_damage(request: &HeartbeatRequest) {
    if let Some(first) = request.damaged_replicas.first() {
        tracing::warn!(
            broker = %request.broker_id, replicas = request.damaged_replicas.len(),
            first = %first.partition, cause = first.cause.text(),
            "a broker reports damaged replicas; they leave the ISR"
        );
    }
}

/// The broker lives, whatever becomes of the heartbeat. Only its current registration counts.
fn note(node: &Node, request: &HeartbeatRequest) {
    let image = node.published().image();
    let is_current = image
        .brokers
        .get(request.broker_id)
        .is_some_and(|broker| broker.broker_epoch == request.broker_epoch);
    if is_current && let Some(term) = node.proposer().active_term() {
        let now = node.clock().now();
        let mut sessions = node.sessions().lock();
        sessions.begin_term(term, &image, now);
        sessions.heard(request.broker_id, request.metadata_end, now);
    }
}

/// Every registered broker, as the active controller sees it where there is one.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Refusal> {
    let node = app.node()?;
    if node.leader().is_some() {
        let passed = on_leader(&app, request, ADMIN_WAIT, |node, headers, _| async move {
            answer(&headers, &brokers_of(&node))
        });
        match passed.await {
            Err(refusal) if refusal.0.body.kafka_error == Some(KafkaError::NotController) => {}
            passed => return passed,
        }
    }
    answer(&headers, &brokers_of(&node))
}

fn brokers_of(node: &Node) -> BrokersResponse {
    let image = node.published().image();
    let brokers = image
        .brokers
        .iter()
        .map(|broker| status(node, &image, broker))
        .collect();
    BrokersResponse { brokers }
}

fn status(node: &Node, image: &MetadataImage, broker: &BrokerRegistration) -> BrokerStatus {
    let id = broker.broker_id;
    let heard = node
        .proposer()
        .active_term()
        .and_then(|_| node.sessions().lock().last_contact(id, node.clock().now()));
    let state = if broker.fenced {
        BrokerState::Fenced
    } else if broker.in_controlled_shutdown {
        BrokerState::ControlledShutdown
    } else {
        BrokerState::Active
    };
    BrokerStatus {
        broker_id: id,
        broker_epoch: broker.broker_epoch,
        state,
        reason: broker.last_change.reason.to_string(),
        client_address: broker.client_address.clone(),
        inter_node_address: broker.inter_node_address.clone(),
        rack: broker.rack.clone(),
        leaders: image.partitions_led_by(id).count(),
        replicas: image.partitions_hosted_on(id).count(),
        in_sync: image.partitions_in_sync_on(id).count(),
        last_contact_ms: heard.map(|(ms, _)| ms),
        metadata_end: heard.and_then(|(_, end)| end),
    }
}

/// The broker id in a path.
pub(super) fn broker_id(text: &str) -> Result<trimaran_types::BrokerId, ApiError> {
    text.parse().map(trimaran_types::BrokerId).map_err(|_| {
        ApiError::kafka(
            KafkaError::InvalidRequest,
            format!("'{text}' is no broker id"),
        )
        .with_code(400)
    })
}
