//! Nothing breaks: the run that every other one is compared with, and the place where a checker that
//! is always green or a client that sees ghosts would be noticed first.

use anyhow::{Result, ensure};
use trimaran_tests::cluster::{Cluster, ClusterSpec, NodeName, scenario};
use trimaran_tests::workload::{Workload, WorkloadPlan};

#[test]
fn without_faults_every_write_is_acknowledged_once_and_replicas_are_equal_bytes() {
    scenario(&ClusterSpec::three_and_three(), run);
}

async fn run(cluster: &mut Cluster) -> Result<()> {
    let mut workload = Workload::start(cluster, WorkloadPlan::new("quiet")).await?;
    workload.wait_for_progress(100).await?;
    let (verdict, _) = workload.finish().await?;
    ensure!(verdict.unknown == 0, "nothing broke, and yet: {verdict}");
    ensure!(
        verdict.read >= verdict.acked / 2,
        "consumers saw too little: {verdict}"
    );
    let brokers = [1, 2, 3].map(NodeName::Broker);
    let batches = cluster.compare_replicas("quiet", 4, &brokers)?;
    ensure!(batches > 0, "no batch was compared");
    Ok(())
}
