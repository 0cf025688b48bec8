//! SIGKILL to all six processes at once, and a start from what their disks have.

use anyhow::{Result, ensure};
use trimaran_tests::cluster::{Cluster, ClusterSpec, Storage, is_long_run, scenario};
use trimaran_tests::workload::{Workload, WorkloadPlan};

#[test]
fn killing_every_process_at_once_loses_nothing_that_was_acknowledged() {
    scenario(&ClusterSpec::three_and_three().storage(Storage::Disk), run);
}

async fn run(cluster: &mut Cluster) -> Result<()> {
    let mut workload = Workload::start(cluster, WorkloadPlan::new("blackout")).await?;
    let rounds = if is_long_run() { 10 } else { 2 };
    for _ in 0..rounds {
        workload.wait_for_progress(20).await?;
        let before = workload.admin().quorum().await?;
        cluster.kill_all()?;
        cluster.restart_all().await?;
        workload.wait_for_progress(20).await?;
        let after = workload.admin().quorum().await?;
        ensure!(
            after.cluster_id == before.cluster_id && after.high_watermark >= before.high_watermark,
            "the metadata log went back: {before:?}, then {after:?}"
        );
    }
    workload.finish().await?;
    Ok(())
}
