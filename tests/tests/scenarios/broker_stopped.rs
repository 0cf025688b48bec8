//! SIGSTOP to a broker: it hangs with its connections open, so only silence gives it away.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use trimaran_api::controller::BrokerState;
use trimaran_tests::cluster::{Cluster, ClusterSpec, NodeName, is_long_run, scenario};
use trimaran_tests::workload::{Workload, WorkloadPlan};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_broker_that_hung_leaves_the_isr_and_comes_back_into_it_with_every_record() {
    scenario(&ClusterSpec::three_and_three(), run);
}

async fn run(cluster: &mut Cluster) -> Result<()> {
    let mut workload = Workload::start(cluster, WorkloadPlan::new("hang")).await?;
    let admin = workload.admin();
    let partition = admin.partition(workload.topic(), 0).await?;
    let mut replicas = partition.replicas.iter().copied();
    let follower = replicas.find(|replica| Some(*replica) != partition.leader);
    let hung = follower.context("partition 0 has no follower")?.0;

    let stopped_at = tokio::time::Instant::now();
    cluster.node_mut(NodeName::Broker(hung))?.pause()?;
    admin
        .wait_for_isr_without(workload.topic(), hung, PATIENCE)
        .await?;
    let fenced = admin.wait_for_broker(hung, BrokerState::Fenced, PATIENCE);
    fenced.await?;
    workload.wait_for_progress(50).await?;
    let length = Duration::from_secs(if is_long_run() { 30 } else { 5 });
    tokio::time::sleep_until(stopped_at + length).await;

    cluster.node_mut(NodeName::Broker(hung))?.resume()?;
    admin.wait_for_full_isr(workload.topic(), PATIENCE).await?;
    admin
        .wait_for_broker(hung, BrokerState::Active, PATIENCE)
        .await?;
    workload.wait_for_progress(20).await?;
    let (verdict, _) = workload.finish().await?;
    ensure!(verdict.acked > 0, "{verdict}");
    let brokers = [1, 2, 3].map(NodeName::Broker);
    cluster.compare_replicas("hang", 4, &brokers)?;
    Ok(())
}
