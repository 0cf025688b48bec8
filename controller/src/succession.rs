//! [`succeed`]: who stands for election after the leader's process is gone, and when.
//!
//! Two followers that stand in one term split the vote, and a split vote costs an election timeout.
//! So they take turns: whoever has more of the log first, since nobody votes for less than it has,
//! then the lower id. A follower that stood in vain, or saw another one do so, looks again: what
//! was still on its way into a log may have changed the order.

use std::time::Duration;

use futures_util::future::join_all;
use openraft::async_runtime::WatchReceiver as _;
use openraft::raft::TransferLeaderRequest;
use trimaran_api::client::call;
use trimaran_api::controller::QuorumStatus;
use trimaran_api::paths;

use crate::node::Node;

/// A follower's head start over the next one; also how long a vote is waited for.
const TURN: Duration = Duration::from_millis(100);
/// How long another voter may take to tell where its log ends; then it counts as the next one.
const ASK_TIMEOUT: Duration = Duration::from_millis(50);
/// Most times that a follower looks whether it is its turn; then the election timeout decides.
const LOOKS_MAX: usize = 6;

/// A voter in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct InLine {
    id: u64,
    /// First unwritten index of its log.
    log_end: u64,
}

/// Sees to it that somebody takes over from `gone`: this voter, in its turn, unless another one
/// leads by then.
pub(crate) async fn succeed(node: &Node, gone: u64) {
    for _ in 0..LOOKS_MAX {
        let metrics = node.raft().metrics().borrow_watched().clone();
        let voters: Vec<u64> = metrics.membership_config.voter_ids().collect();
        if !voters.contains(&metrics.id) {
            return;
        }
        let own = InLine {
            id: metrics.id,
            log_end: metrics.last_log_index.map_or(0, |last| last + 1),
        };
        let others = voters
            .into_iter()
            .filter(|id| *id != own.id && *id != gone)
            .map(|id| where_it_stands(node, id));
        let others: Vec<InLine> = join_all(others).await.into_iter().flatten().collect();
        let seen = node.standing();
        if leads_within(node, gone, TURN * turn(own, &others)).await {
            return;
        }
        if node.standing() != seen {
            // Another one stands; it gets its chance.
            continue;
        }
        tracing::warn!(
            leader = gone,
            log_end = own.log_end,
            "the leader's process is gone; standing for election"
        );
        let request = TransferLeaderRequest::new(metrics.vote, own.id, None);
        match node.raft().handle_transfer_leader(request).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::info!(%error, "not standing for election"),
            Err(error) => {
                tracing::warn!(%error, "cannot stand for election");
                return;
            }
        }
        if leads_within(node, gone, TURN).await {
            return;
        }
    }
}

/// How many are before `own`.
fn turn(own: InLine, others: &[InLine]) -> u32 {
    let is_before = |other: &&InLine| {
        other.log_end > own.log_end || (other.log_end == own.log_end && other.id < own.id)
    };
    u32::try_from(others.iter().filter(is_before).count()).unwrap_or(u32::MAX)
}

/// What the voter says of its own log, if it says anything in time.
async fn where_it_stands(node: &Node, id: u64) -> Option<InLine> {
    let address = node.address_of(id)?;
    let url = format!("http://{address}{}", paths::QUORUM);
    let request = node.http().get(url).timeout(ASK_TIMEOUT);
    let status: QuorumStatus = call(request, &address).await.ok()?;
    let itself = status
        .voters
        .iter()
        .find(|voter| voter.controller_id.0 == id && status.observed_by.0 == id)?;
    Some(InLine {
        id,
        log_end: itself.log_end?,
    })
}

/// Whether anyone but `gone` leads within `time`.
async fn leads_within(node: &Node, gone: u64, time: Duration) -> bool {
    let mut standing = node.watch_standing();
    let led = standing.wait_for(|standing| standing.leader.is_some_and(|leader| leader != gone));
    // A channel that ends ends with the node.
    tokio::time::timeout(time, led).await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_of_the_log_comes_first_then_the_lower_id() {
        let voter = |id, log_end| InLine { id, log_end };
        assert_eq!(turn(voter(1, 10), &[voter(2, 10)]), 0);
        assert_eq!(turn(voter(2, 10), &[voter(1, 10)]), 1);
        // Standing by id alone, 1 would take the term in which only 2 can win.
        assert_eq!(turn(voter(1, 9), &[voter(2, 10)]), 1);
        assert_eq!(turn(voter(2, 10), &[voter(1, 9)]), 0);
        assert_eq!(
            turn(voter(4, 9), &[voter(1, 10), voter(2, 9), voter(5, 9)]),
            2
        );
        assert_eq!(turn(voter(7, 0), &[]), 0);
    }
}
