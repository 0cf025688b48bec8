//! `/v1/brokers`: registration, heartbeats, and the list with reasons.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use trimaran_api::ApiError;
use trimaran_api::controller::{
    BrokerState, BrokerStatus, BrokersResponse, HeartbeatRequest, RegisterBrokerRequest,
    SessionLease,
};
use trimaran_metadata::{BrokerRegistration, MetadataImage};
use trimaran_types::KafkaError;

use super::answer::answer;
use super::forward::{ADMIN_WAIT, HEARTBEAT_WAIT, on_leader, on_leader_or_here};
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
    on_leader(&app, request, ADMIN_WAIT, |call| async move {
        let request: RegisterBrokerRequest = call.message()?;
        let broker = request.broker_id;
        let request = Arc::new(request);
        loop {
            let (node, request) = (Arc::clone(&call.node), Arc::clone(&request));
            let decided = call.propose(Confirm::Quorum, move |view| {
                let now = node.clock().now();
                let context = RegisterContext {
                    cluster_id: node.identity().cluster_id,
                    session_is_valid: node.sessions().lock().is_held(broker, now),
                };
                brokers::register(view, &request, context)
            });
            let outcome = decided.await?;
            if let (Some(response), FollowUp::Nothing) = (outcome.response, outcome.follow_up) {
                let now = call.node.clock().now();
                call.node.sessions().lock().registered(broker, now);
                tracing::info!(%broker, epoch = %response.broker_epoch, "a broker registered");
                return call.answer(&response);
            }
        }
    })
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
    on_leader(&app, request, HEARTBEAT_WAIT, |call| async move {
        let mut request: HeartbeatRequest = call.message()?;
        bound_claim(&call.node, &mut request);
        note(&call.node, &request);
        let request = Arc::new(request);
        let beat = Arc::clone(&request);
        loop {
            let (sessions, request) = (call.node.sessions().clone(), Arc::clone(&request));
            let decided = call.propose(Confirm::Nothing, move |view| {
                let sessions = sessions.lock();
                let context = HeartbeatContext {
                    lowest_active_metadata_end: sessions.lowest_active_metadata_end(view),
                    lacking_room: sessions.lacking_room(),
                };
                drop(sessions);
                brokers::heartbeat(view, &request, context)
            });
            let outcome = decided.await?;
            match outcome.follow_up {
                FollowUp::DecideAgain => {
                    tell_damage(&beat);
                    tell_handover(&beat);
                    continue;
                }
                // Not here: this call ends with the broker's patience.
                FollowUp::ElectLeaderless => call.node.sessions().owe_sweep(),
                FollowUp::Nothing => {}
            }
            let mut response = outcome.response;
            let may_rely = !response.is_fenced && !response.should_shut_down;
            response.lease = may_rely.then(|| lease(&call.node)).flatten();
            return call.answer(&response);
        }
    })
    .await
}

/// Nobody has replayed more than the active controller has: what a broker claims beyond it is not
/// believed. One that saw a commit before this controller applied it loses nothing by that.
fn bound_claim(node: &Node, request: &mut HeartbeatRequest) {
    let own_end = node.published().image().position.next_offset;
    request.metadata_end = request.metadata_end.min(own_end);
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

/// The same of leaders without room.
fn tell_handover(request: &HeartbeatRequest) {
    if let Some(first) = request.replicas_lacking_room.first() {
        tracing::warn!(
            broker = %request.broker_id, replicas = request.replicas_lacking_room.len(), %first,
            "a broker has no room for replicas; others in sync lead where it led"
        );
    }
}

/// What the broker may rely on. The image is looked at after the heartbeat was noted and decided, so
/// a change that it does not show yet was decided later, with the heartbeat known.
fn lease(node: &Node) -> Option<SessionLease> {
    let quorum_age = node.quorum_age()?;
    Some(SessionLease {
        session_ms: milliseconds(node.config().broker_session_timeout),
        quorum_age_ms: milliseconds(quorum_age),
        metadata_end: node.published().image().position.next_offset,
    })
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
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
        sessions.said_to_lack_room(request.broker_id, &request.replicas_lacking_room);
    }
}

/// Every registered broker, as the active controller sees it where there is one.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Refusal> {
    on_leader_or_here(&app, request, |node, headers| {
        answer(headers, &brokers_of(node))
    })
    .await
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
