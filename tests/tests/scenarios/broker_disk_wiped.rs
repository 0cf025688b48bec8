//! A broker comes back with an empty disk: its old promises are void, its data comes from the others.

use std::time::Duration;

use anyhow::{Result, ensure};
use trimaran_tests::cluster::{Cluster, ClusterSpec, NodeName, Storage, scenario};
use trimaran_tests::workload::{Workload, WorkloadPlan};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_broker_whose_disk_was_wiped_rejoins_fetches_all_again_and_nothing_is_lost() {
    scenario(&ClusterSpec::three_and_three().storage(Storage::Disk), run);
}

async fn run(cluster: &mut Cluster) -> Result<()> {
    let mut workload = Workload::start(cluster, WorkloadPlan::new("wipe")).await?;
    workload.wait_for_progress(50).await?;
    let wiped = NodeName::Broker(2);
    cluster.kill(wiped)?;
    cluster.node_mut(wiped)?.wipe()?;
    workload.wait_for_progress(20).await?;
    cluster.restart(wiped).await?;
    workload
        .admin()
        .wait_for_full_isr(workload.topic(), PATIENCE)
        .await?;
    workload.wait_for_progress(20).await?;
    workload.finish().await?;
    let all = [1, 2, 3].map(NodeName::Broker);
    let batches = cluster.compare_replicas("wipe", 4, &all)?;
    ensure!(batches > 0, "no batch was compared");
    Ok(())
}
