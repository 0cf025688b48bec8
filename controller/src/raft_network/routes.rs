//! The other controllers' calls to this node.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::stream;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    VoteRequest,
};
use openraft::storage::Snapshot as RaftSnapshot;
use serde::de::DeserializeOwned;
use trimaran_api::{ApiError, body};
use trimaran_types::KafkaError;

use super::reach::OutOfReach;
use super::snapshot_frame::{TransferError, incoming};
use super::{APPEND, PRE_VOTE, PRESENCE, SNAPSHOT, TRANSFER_LEADER, VOTE};
use crate::http::{App, Refusal, msgpack_answer};
use crate::node::Node;
use crate::state_machine::{ImageSnapshot, read_image};
use crate::type_config::TypeConfig;

/// One append carries at most what one read of the log gives, 4 MiB, or one entry of 8 MiB.
const APPEND_BYTES_MAX: usize = 16 * 1024 * 1024;
const VOTE_BYTES_MAX: usize = 64 * 1024;
/// A line feed this often lets both sides notice a peer that vanished without a word.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

type C = TypeConfig;

/// The raft routes of a controller.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route(APPEND, post(append))
        .route(VOTE, post(vote))
        .route(PRE_VOTE, post(pre_vote))
        .route(SNAPSHOT, post(snapshot))
        .route(TRANSFER_LEADER, post(transfer_leader))
        .route(PRESENCE, get(presence))
}

/// The running node, once the call is known to be meant for it.
async fn meant_for_us(app: &App, headers: &HeaderMap) -> Result<Arc<Node>, Refusal> {
    let node = app.node_soon().await?;
    node.identity().check(headers)?;
    if node.stopping().is_cancelled() {
        return Err(stopped("it is stopping"));
    }
    Ok(node)
}

async fn message<T: DeserializeOwned>(request: Body, bytes_max: usize) -> Result<T, Refusal> {
    let bytes = axum::body::to_bytes(request, bytes_max)
        .await
        .map_err(|error| ApiError::new(413, format!("cannot read the body: {error}")))?;
    body::from_msgpack(&bytes).map_err(|error| {
        tracing::error!(?error, "a raft call has an unreadable body");
        Refusal::from(ApiError::kafka(
            KafkaError::InvalidRequest,
            format!("{error:?}"),
        ))
    })
}

/// A message that raft must not see.
fn unbelievable(error: OutOfReach) -> Refusal {
    tracing::error!(%error, "refused a raft call");
    ApiError::kafka(KafkaError::InvalidRequest, error.to_string())
        .with_code(400)
        .into()
}

fn stopped(error: impl std::fmt::Display) -> Refusal {
    ApiError::new(503, format!("this controller's raft has stopped: {error}"))
        .retriable()
        .into()
}

async fn append(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Refusal> {
    let node = meant_for_us(&app, &headers).await?;
    let rpc: AppendEntriesRequest<C> = message(request, APPEND_BYTES_MAX).await?;
    node.reach().append(&rpc).map_err(unbelievable)?;
    let told = rpc.entries.iter().map(|entry| entry.log_id);
    node.log_reader()
        .check_history(&rpc.vote, rpc.prev_log_id.into_iter().chain(told))
        .await
        .map_err(stopped)?;
    let answer = node.raft().append_entries(rpc).await.map_err(stopped)?;
    if !matches!(answer, AppendEntriesResponse::HigherVote(_)) {
        node.heard_of_leader();
    }
    msgpack_answer(&answer)
}

async fn vote(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Refusal> {
    let node = meant_for_us(&app, &headers).await?;
    let rpc: VoteRequest<C> = message(request, VOTE_BYTES_MAX).await?;
    node.reach().vote(&rpc).map_err(unbelievable)?;
    let answer = node.raft().vote(rpc).await.map_err(stopped)?;
    msgpack_answer(&answer)
}

async fn pre_vote(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Refusal> {
    let node = meant_for_us(&app, &headers).await?;
    let rpc: VoteRequest<C> = message(request, VOTE_BYTES_MAX).await?;
    node.reach().vote(&rpc).map_err(unbelievable)?;
    let answer = node.raft().pre_vote(rpc).await.map_err(stopped)?;
    msgpack_answer(&answer)
}

async fn transfer_leader(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Refusal> {
    let node = meant_for_us(&app, &headers).await?;
    let rpc: TransferLeaderRequest<C> = message(request, VOTE_BYTES_MAX).await?;
    node.reach().transfer(&rpc).map_err(unbelievable)?;
    let answer = node
        .raft()
        .handle_transfer_leader(rpc)
        .await
        .map_err(stopped)?;
    msgpack_answer(&answer)
}

/// Takes a snapshot in, checks and decodes it, and only then hands it to raft: for raft a snapshot
/// that cannot be read is the end of this node, for us it is a transfer to be repeated.
async fn snapshot(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Refusal> {
    let node = meant_for_us(&app, &headers).await?;
    let stream = request.into_data_stream();
    let (head, body) = incoming(stream, node.snapshots()).await.map_err(|error| {
        tracing::error!(%error, "a snapshot did not come through");
        match error {
            TransferError::Store(error) => stopped(error),
            other => ApiError::kafka(KafkaError::CorruptMessage, other.to_string()).into(),
        }
    })?;
    node.reach().snapshot(&head).map_err(unbelievable)?;
    node.snapshots()
        .check_history(&head.meta)
        .map_err(stopped)?;
    let image = read_image(&body).await.map_err(|error| {
        tracing::error!(%error, "a snapshot of the leader cannot be read");
        Refusal::from(ApiError::kafka(
            KafkaError::CorruptMessage,
            error.to_string(),
        ))
    })?;
    tracing::info!(bytes = head.length, last = ?head.meta.last_log_id, "received a snapshot");
    let data = ImageSnapshot {
        body,
        image: Some(image),
    };
    let snapshot = RaftSnapshot {
        meta: head.meta,
        snapshot: data,
    };
    let answer: SnapshotResponse<C> = node
        .raft()
        .install_full_snapshot(head.vote, snapshot)
        .await
        .map_err(stopped)?;
    msgpack_answer(&answer)
}

/// Says that this process lives, until it does not: a follower holds this open to its leader.
async fn presence(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Refusal> {
    let node = meant_for_us(&app, &headers).await?;
    let lines = stream::unfold((node.stopping(), true), |(stop, is_first)| async move {
        let pause = if is_first {
            Duration::ZERO
        } else {
            SIGN_OF_LIFE
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {
                Some((Ok::<_, Infallible>(Bytes::from_static(b"\n")), (stop, false)))
            }
            () = stop.cancelled() => None,
        }
    });
    Ok(Response::new(Body::from_stream(lines)))
}
