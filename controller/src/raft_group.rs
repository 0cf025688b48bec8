//! How this controller sets its raft group up: timers, snapshots, the first membership.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use openraft::errors::{InitializeError, RaftError};
use openraft::{Config, SnapshotPolicy};
use trimaran_api::controller::BootstrapVoter;
use trimaran_api::paths;

use crate::config::ControllerConfig;
use crate::node::Node;
use crate::type_config::{ControllerNode, TypeConfig};

/// A founding voter begins the log itself only this long (times its rank) after the lowest should
/// have: all of them at once would split the first vote.
const FOUNDING_PATIENCE: Duration = Duration::from_millis(1_000);
/// Pause between two looks at a voter that is starting.
const VOTER_PAUSE: Duration = Duration::from_millis(5);

/// openraft's configuration.
///
/// # Errors
/// When the timers contradict each other.
pub(crate) fn config(config: &ControllerConfig) -> Result<Arc<Config>, openraft::ConfigError> {
    let milliseconds =
        |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 4);
    let election_timeout = milliseconds(config.election_timeout);
    let raft = Config {
        cluster_name: "trimaran".to_owned(),
        heartbeat_interval: milliseconds(config.raft_heartbeat),
        election_timeout_min: election_timeout,
        election_timeout_max: election_timeout.saturating_mul(2),
        // A voter that was cut off must not depose a healthy leader when it returns (KIP-996).
        enable_pre_vote: Some(true),
        // A restarted leader stands for election like everybody else.
        enable_leader_restore: Some(false),
        // A voter whose log went back has lost what it acknowledged.
        allow_log_reversion: Some(false),
        // A leader that the majority does not answer falls silent for a while, so that those who
        // still hear it can elect another. The shortest interval that raft permits: twice the
        // longest election timeout.
        quorum_loss_probe_interval: Some(election_timeout.saturating_mul(4)),
        snapshot_policy: SnapshotPolicy::LogsSinceLast(config.snapshot_every_entries),
        max_in_snapshot_log_to_keep: config.log_entries_kept,
        // Many small range deletions slow every read of the log.
        purge_batch_size: (config.snapshot_every_entries / 4).clamp(1, 1_000),
        // Bounds one whole snapshot, which we stream.
        install_snapshot_timeout: 120_000,
        backoff: "50ms 100ms 200ms ...500ms".to_owned(),
        ..Config::default()
    };
    Ok(Arc::new(raft.validate()?))
}

/// Begins the log with the founding voters, unless it has begun. All voters write the same first
/// entry, so it does not matter who does.
///
/// # Errors
/// When raft has stopped or refuses the membership.
pub(crate) async fn initialize(
    node: &Node,
    voters: &[BootstrapVoter],
) -> Result<(), RaftError<TypeConfig, InitializeError<TypeConfig>>> {
    let raft = node.raft();
    if raft.is_initialized().await? {
        return Ok(());
    }
    let own = node.identity().controller_id;
    let rank = voters
        .iter()
        .filter(|voter| voter.controller_id < own)
        .count();
    if rank == 0 {
        let serving = await_voters(node, voters);
        // Whoever does not come in time gets the log later.
        drop(tokio::time::timeout(FOUNDING_PATIENCE, serving).await);
    }
    let patience = FOUNDING_PATIENCE
        .saturating_mul(u32::try_from(rank).unwrap_or(u32::MAX))
        .saturating_mul(2);
    let mut standing = node.watch_standing();
    let led = standing.wait_for(|standing| standing.leader.is_some());
    if tokio::time::timeout(patience, led)
        .await
        .is_ok_and(|led| led.is_ok())
        || raft.is_initialized().await?
    {
        return Ok(());
    }
    let members: BTreeMap<u64, ControllerNode> = voters
        .iter()
        .map(|voter| {
            let node = ControllerNode {
                address: voter.address.clone(),
                directory_id: voter.directory_id,
            };
            (voter.controller_id.0, node)
        })
        .collect();
    match raft.initialize(members).await {
        // It has begun meanwhile.
        Err(RaftError::APIError(InitializeError::NotAllowed(_))) | Ok(()) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Waits until the other voters can take part in a vote: one that is asked too early costs a whole
/// election timeout.
async fn await_voters(node: &Node, voters: &[BootstrapVoter]) {
    let own = node.identity().controller_id;
    for voter in voters.iter().filter(|voter| voter.controller_id != own) {
        let Some(address) = node.address_of(voter.controller_id.0) else {
            continue;
        };
        let url = format!("http://{address}{}", paths::QUORUM);
        while !node
            .http()
            .get(&url)
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
        {
            tokio::time::sleep(VOTER_PAUSE).await;
        }
    }
}
