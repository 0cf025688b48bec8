//! A controller comes back with an empty disk. Its vote was counted with what the old disk held, so it
//! may not simply join again: it is refused, with what to do, and the others go on.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use trimaran_api::controller::QuorumStatus;
use trimaran_tests::cluster::{Cluster, ClusterSpec, NodeName, Storage, scenario};
use trimaran_tests::until;

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_controller_whose_disk_was_replaced_is_refused_and_the_quorum_goes_on() {
    scenario(&ClusterSpec::new(3, 0).storage(Storage::Disk), run);
}

async fn run(cluster: &mut Cluster) -> Result<()> {
    let before = wait_for_leader(cluster, NodeName::Controller(1)).await?;
    let leader = before.leader_id.context("a leader")?;
    let replaced = (1..=3)
        .find(|id| u64::from(*id) != leader.0)
        .context("a follower")?;
    let replaced = NodeName::Controller(replaced);
    let node = cluster.node_mut(replaced)?;
    node.kill()?;
    node.wipe()?;
    let seen_before = node.log().len();
    node.start()?;
    let status = node.wait_for_exit(PATIENCE).await?;
    ensure!(!status.success(), "it ended with success");
    let log = node.log();
    let news = log.get(seen_before..).unwrap_or_default().to_lowercase();
    ensure!(
        news.contains("director"),
        "its log does not speak of its directory: {news}"
    );

    let leader = NodeName::Controller(u32::try_from(leader.0)?);
    let after = wait_for_leader(cluster, leader).await?;
    ensure!(
        after.leader_epoch == before.leader_epoch,
        "the quorum lost its leader: {after:?}"
    );
    ensure!(
        after.voters.len() == 3,
        "the quorum forgot a voter: {after:?}"
    );
    Ok(())
}

async fn wait_for_leader(cluster: &Cluster, observer: NodeName) -> Result<QuorumStatus> {
    let url = format!("http://{}/v1/quorum", cluster.node(observer)?.address());
    until("a leader of the quorum", PATIENCE, async || {
        let answer = cluster.http().get(&url).send().await?.error_for_status()?;
        let status: QuorumStatus = serde_json::from_slice(&answer.bytes().await?)?;
        Ok(status.leader_id.is_some().then_some(status))
    })
    .await
}
