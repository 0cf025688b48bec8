//! The active controller dies while the next one in line lacks entries: the one that has them takes
//! over, without an election timeout in between.
//!
//! The election timeout is longer than the test waits, so only whoever sees the death can act on it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use trimaran_tests::client::{Admin, Rest};
use trimaran_tests::cluster::{Cluster, ClusterSpec, NodeName, scenario};

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_follower_that_lacks_entries_does_not_keep_another_one_from_taking_over() {
    let spec = ClusterSpec::three_and_three()
        .controller_setting("controller.quorum.election.timeout.ms", 60_000);
    scenario(&spec, run);
}

async fn run(cluster: &mut Cluster) -> Result<()> {
    let rest = Rest::new(cluster.http().clone(), cluster.broker_addresses(), 1)?;
    let admin = Admin::new(rest);
    let active = admin.active_controller().await?;
    // The lower id would be the first in line if both had the same.
    let behind = (1..=3).find(|id| *id != active).context("a follower")?;
    cluster.node_mut(NodeName::Controller(behind))?.pause()?;
    for number in 0..5 {
        admin
            .create_topic(&format!("missed-{number}"), 1, 3, &[])
            .await?;
    }
    cluster.kill(NodeName::Controller(active))?;
    cluster.node_mut(NodeName::Controller(behind))?.resume()?;
    let next = admin.active_controller_other_than(active, PATIENCE).await?;
    ensure!(next != behind, "{behind} leads without the missed entries");
    admin.create_topic("after", 1, 3, &[]).await?;
    cluster.restart(NodeName::Controller(active)).await?;
    Ok(())
}
