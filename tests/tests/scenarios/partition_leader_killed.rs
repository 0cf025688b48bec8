//! SIGKILL to the broker that leads a partition, again and again, under load.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use trimaran_tests::cluster::{Cluster, ClusterSpec, NodeName, is_long_run, scenario};
use trimaran_tests::workload::{Workload, WorkloadPlan};

const ISR_PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn killing_the_leader_of_a_partition_under_load_loses_nothing() {
    scenario(
        &ClusterSpec::three_and_three(),
        async |cluster: &mut Cluster| {
            kill_leaders(cluster, WorkloadPlan::new("at-most-once")).await
        },
    );
}

#[test]
fn killing_the_leader_under_producers_that_send_again_loses_nothing() {
    scenario(
        &ClusterSpec::three_and_three(),
        async |cluster: &mut Cluster| {
            kill_leaders(cluster, WorkloadPlan::new("at-least-once").at_least_once()).await
        },
    );
}

async fn kill_leaders(cluster: &mut Cluster, plan: WorkloadPlan) -> Result<()> {
    let mut workload = Workload::start(cluster, plan).await?;
    let rounds = if is_long_run() { 20 } else { 3 };
    for round in 0..rounds {
        let admin = workload.admin();
        let partition = admin.partition(workload.topic(), round % 4).await?;
        let leader = partition
            .leader
            .context("no leader while nothing is broken")?;
        cluster.kill(NodeName::Broker(leader.0))?;
        workload.wait_for_progress(20).await?;
        let after = admin.partition(workload.topic(), round % 4).await?;
        ensure!(
            after.leader_epoch > partition.leader_epoch,
            "records were acknowledged and no new leader was elected: {after:?}"
        );
        cluster.restart(NodeName::Broker(leader.0)).await?;
        admin
            .wait_for_full_isr(workload.topic(), ISR_PATIENCE)
            .await?;
    }
    workload.finish().await?;
    Ok(())
}
