//! SIGTERM to one node after the other: leaders move first, nobody notices, every exit is clean.

use std::time::Duration;

use anyhow::{Result, ensure};
use trimaran_tests::cluster::{Cluster, ClusterSpec, NodeName, scenario};
use trimaran_tests::workload::{Workload, WorkloadPlan};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_rolling_restart_of_every_node_loses_nothing_and_every_node_ends_with_success() {
    scenario(&ClusterSpec::three_and_three(), run);
}

async fn run(cluster: &mut Cluster) -> Result<()> {
    let mut workload = Workload::start(cluster, WorkloadPlan::new("rolling")).await?;
    let admin = workload.admin();
    for name in cluster.names() {
        let status = cluster.node_mut(name)?.terminate(PATIENCE).await?;
        ensure!(status.success(), "{name} ended with {status} on SIGTERM");
        workload.wait_for_progress(10).await?;
        cluster.restart(name).await?;
        if matches!(name, NodeName::Broker(_)) {
            admin.wait_for_full_isr(workload.topic(), PATIENCE).await?;
        }
    }
    workload.finish().await?;
    cluster.stop_all().await
}
