//! SIGTERM to one node after the other: leaders move first, nobody notices, every exit is clean.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use trimaran_tests::cluster::{Cluster, ClusterSpec, NodeName, scenario};
use trimaran_tests::history::AttemptOutcome;
use trimaran_tests::workload::{Workload, WorkloadPlan};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_rolling_restart_of_every_node_loses_nothing_and_every_node_ends_with_success() {
    scenario(&ClusterSpec::three_and_three(), run);
}

#[test]
fn a_rolling_restart_of_the_brokers_leaves_no_append_in_doubt() {
    scenario(&ClusterSpec::three_and_three(), without_a_doubt);
}

async fn without_a_doubt(cluster: &mut Cluster) -> Result<()> {
    let mut workload = Workload::start(cluster, WorkloadPlan::new("doubt")).await?;
    let admin = workload.admin();
    for round in 0..2 {
        for name in [1, 2, 3].map(NodeName::Broker) {
            let status = cluster.node_mut(name)?.terminate(PATIENCE).await?;
            ensure!(status.success(), "{name} ended with {status} on SIGTERM");
            workload.wait_for_progress(10).await?;
            cluster.restart(name).await?;
            admin
                .wait_for_full_isr(workload.topic(), PATIENCE)
                .await
                .with_context(|| format!("round {round}"))?;
        }
    }
    let (verdict, history) = workload.finish().await?;
    // A connection that closes while a request is on its way leaves its client without an answer;
    // no server can help that. What was answered must say what became of it.
    let answered = history.attempts.iter().find(|attempt| {
        matches!(&attempt.outcome, AttemptOutcome::Unknown(why) if !why.starts_with("no answer"))
    });
    ensure!(answered.is_none(), "in doubt: {answered:?}, {verdict}");
    cluster.stop_all().await
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
