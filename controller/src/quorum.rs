//! `QuorumStatus` from what raft knows.

use openraft::Instant as _;
use openraft::async_runtime::WatchReceiver as _;
use trimaran_api::controller::{QuorumStatus, VoterRole, VoterStatus};
use trimaran_types::ControllerId;

use crate::node::Node;
use crate::type_config::TypeConfig;

type Metrics = openraft::RaftMetrics<TypeConfig>;

/// The quorum as this controller sees it.
#[must_use]
pub(crate) fn status(node: &Node) -> QuorumStatus {
    // Cloned at once: holding the borrow would hold raft.
    let metrics = node.raft().metrics().borrow_watched().clone();
    let leader = node.leader().map(|(id, _)| id);
    let committed = metrics.local_committed.max(metrics.cluster_committed);
    let membership = &metrics.membership_config;
    let voters = membership
        .voter_ids()
        .filter_map(|id| Some((id, membership.get_node(&id)?)))
        .map(|(id, voter)| {
            let log_end = log_end(&metrics, id);
            let leader_end = metrics
                .last_log_index
                .map_or(0, |last| last.saturating_add(1));
            let knows_lag = leader == Some(metrics.id);
            VoterStatus {
                controller_id: ControllerId(id),
                directory_id: voter.directory_id,
                address: node.address_of(id).unwrap_or_else(|| voter.address.clone()),
                role: role(&metrics, leader, id),
                log_end,
                lag: log_end
                    .filter(|_| knows_lag)
                    .map(|end| leader_end.saturating_sub(end)),
                last_contact_ms: last_contact_ms(&metrics, id),
            }
        })
        .collect();
    QuorumStatus {
        cluster_id: node.identity().cluster_id,
        observed_by: node.identity().controller_id,
        leader_id: leader.map(ControllerId),
        leader_epoch: metrics.current_term,
        high_watermark: committed.map_or(0, |log_id| log_id.index.saturating_add(1)),
        applied_index: metrics.last_applied.map(|log_id| log_id.index),
        snapshot_index: metrics.snapshot.map(|log_id| log_id.index),
        log_start: metrics
            .purged
            .map_or(0, |log_id| log_id.index.saturating_add(1)),
        voters,
    }
}

/// First unwritten index of a voter's log, where this controller knows it.
fn log_end(metrics: &Metrics, id: u64) -> Option<u64> {
    let last = if id == metrics.id {
        metrics.last_log_index
    } else {
        let matching = metrics.replication.as_ref()?.get(&id)?;
        matching.as_ref().map(|log_id| log_id.index)
    };
    Some(last.map_or(0, |last| last.saturating_add(1)))
}

fn role(metrics: &Metrics, leader: Option<u64>, id: u64) -> VoterRole {
    if leader == Some(id) {
        return VoterRole::Leader;
    }
    if id == metrics.id {
        return match metrics.state {
            openraft::ServerState::Leader => VoterRole::Leader,
            openraft::ServerState::Follower => VoterRole::Follower,
            openraft::ServerState::Candidate => VoterRole::Candidate,
            openraft::ServerState::Learner => VoterRole::Learner,
            openraft::ServerState::Shutdown => VoterRole::Unknown,
        };
    }
    if leader.is_some() {
        VoterRole::Follower
    } else {
        VoterRole::Unknown
    }
}

fn last_contact_ms(metrics: &Metrics, id: u64) -> Option<u64> {
    let heard = metrics.heartbeat.as_ref()?.get(&id)?.as_ref()?;
    u64::try_from(heard.elapsed().as_millis()).ok()
}
