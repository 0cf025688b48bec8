//! [`watch_leader`]: a follower notices the death of its leader at once.
//!
//! It holds a response open that the leader never ends. When it breaks and the leader's port
//! refuses connections, the process is gone: waiting for the election timeout would only make the
//! gap longer. The followers take their turns by id, so that they do not split the vote. Raft's
//! own rules still decide who may win; a hang or a cut link is left to the election timeout.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use openraft::async_runtime::WatchReceiver as _;
use openraft::raft::TransferLeaderRequest;
use tokio_util::sync::CancellationToken;

use crate::knock::is_refused;
use crate::node::Node;
use crate::raft_network::PRESENCE;
use crate::standing::Standing;

/// A follower's head start over the next one.
const TURN: Duration = Duration::from_millis(100);
/// Pause before another try to reach a leader that answers otherwise.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// How long the leader may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(1);

/// Watches whoever leads, until `stop`.
pub(crate) async fn watch_leader(node: Arc<Node>, stop: CancellationToken) {
    tokio::select! {
        () = watch(&node) => {}
        () = stop.cancelled() => {}
    }
}

async fn watch(node: &Node) {
    let mut standing = node.watch_standing();
    loop {
        let followed = *standing.borrow_and_update();
        let Some(leader) = followed.leader.filter(|_| !followed.is_leader) else {
            if standing.changed().await.is_err() {
                return;
            }
            continue;
        };
        let Some(address) = node.address_of(leader) else {
            tokio::time::sleep(RETRY_PAUSE).await;
            continue;
        };
        let was_open = tokio::select! {
            was_open = until_broken(node, leader, &address) => was_open,
            changed = standing.changed() => {
                if changed.is_err() {
                    return;
                }
                continue;
            }
        };
        // A leader that was never met here may be a name that raft remembers; others watch it.
        if was_open && is_refused(&address).await {
            succeed(node, followed, leader).await;
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

/// Holds a response of the leader open until it ends; false when it never began.
async fn until_broken(node: &Node, leader: u64, address: &str) -> bool {
    let Some(directory) = node.directory_of(leader) else {
        return false;
    };
    let request = node
        .http()
        .get(format!("http://{address}{PRESENCE}"))
        .headers(node.identity().headers_to(leader, directory))
        .send();
    let Ok(Ok(response)) = tokio::time::timeout(ANSWER_WAIT, request).await else {
        return false;
    };
    if !response.status().is_success() {
        return false;
    }
    let mut lines = response.bytes_stream();
    while let Some(Ok(_)) = lines.next().await {}
    true
}

/// Stands for election in its turn, unless somebody leads by then.
async fn succeed(node: &Node, followed: Standing, leader: u64) {
    let metrics = node.raft().metrics().borrow_watched().clone();
    let own = metrics.id;
    let rank = metrics
        .membership_config
        .voter_ids()
        .filter(|id| *id != leader && *id < own)
        .count();
    if !metrics.membership_config.voter_ids().any(|id| id == own) {
        return;
    }
    let turn = TURN.saturating_mul(u32::try_from(rank).unwrap_or(u32::MAX));
    let mut standing = node.watch_standing();
    let changed = standing.wait_for(|standing| *standing != followed);
    if tokio::time::timeout(turn, changed).await.is_ok() || node.standing() != followed {
        return;
    }
    tracing::warn!(
        leader,
        "the leader's process is gone; standing for election"
    );
    let request = TransferLeaderRequest::new(metrics.vote, own, None);
    if let Err(error) = node.raft().handle_transfer_leader(request).await {
        tracing::warn!(%error, "cannot stand for election");
    }
}
