//! [`Standing`]: what this controller is in the raft group, as everyone here follows it.

use openraft::ServerState;
use openraft::async_runtime::WatchReceiver as _;
use tokio::sync::watch;

use crate::type_config::Raft;

/// Who leads, and in what term, as far as this controller knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Standing {
    /// The raft term of the vote.
    pub term: u64,
    /// The leader, this controller included.
    pub leader: Option<u64>,
    /// Whether this controller leads.
    pub is_leader: bool,
    /// Whether this controller stands for election.
    pub is_candidate: bool,
}

/// Follows the raft group until it stops or nobody listens.
pub(crate) async fn follow(raft: Raft, standing: watch::Sender<Standing>) {
    let mut metrics = raft.server_metrics();
    loop {
        let now = {
            let metrics = metrics.borrow_watched();
            Standing {
                term: metrics.vote.leader_id.term,
                leader: metrics.current_leader,
                is_leader: metrics.state == ServerState::Leader
                    && metrics.current_leader == Some(metrics.id),
                is_candidate: metrics.state == ServerState::Candidate,
            }
        };
        standing.send_if_modified(|current| {
            let is_new = *current != now;
            *current = now;
            is_new
        });
        tokio::select! {
            changed = metrics.changed() => if changed.is_err() { break },
            () = standing.closed() => break,
        }
    }
    standing.send_replace(Standing::default());
}
