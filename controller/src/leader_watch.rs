//! [`watch_leader`]: a follower notices the death of its leader at once.
//!
//! It holds a response open that the leader never ends. When it breaks and the leader's port
//! refuses connections, the process is gone: waiting for the election timeout would only make the
//! gap longer; `succession` says who stands when. Raft's own rules still decide who may win; a hang
//! or a cut link is left to the election timeout.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio_util::sync::CancellationToken;

use crate::knock::is_refused;
use crate::node::Node;
use crate::raft_network::PRESENCE;
use crate::succession::succeed;

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
            succeed(node, leader).await;
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
