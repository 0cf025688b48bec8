//! Nodes of one cluster are pointed at another: each is refused, by name, and nothing is mixed.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use trimaran_tests::client::{Admin, Rest};
use trimaran_tests::cluster::{Cluster, ClusterSpec, NodeName, is_ready, scenario};
use trimaran_tests::until;
use trimaran_tests::workload::{Workload, WorkloadPlan};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_broker_and_a_controller_of_another_cluster_are_refused() {
    scenario(&ClusterSpec::three_and_three(), run);
}

async fn run(cluster: &mut Cluster) -> Result<()> {
    let mut workload = Workload::start(cluster, WorkloadPlan::new("ours")).await?;
    let ours = workload.admin().cluster_id().await?;
    // Broker 4 so that its id alone is no reason to refuse it.
    let mut other = Cluster::start(&ClusterSpec::new(3, 4)).await?;
    let rest = Rest::new(other.http().clone(), other.broker_addresses(), 1)?;
    let theirs = Admin::new(rest).cluster_id().await?;
    ensure!(ours != theirs, "two clusters drew one id");

    let outcome = async {
        other.stop_all().await?;
        foreign_broker(cluster, &mut other, [&ours, &theirs]).await?;
        foreign_controller(cluster, &mut other, [&ours, &theirs]).await
    };
    let outcome = outcome.await;
    if outcome.is_err() {
        other.keep_folder();
    }
    outcome.with_context(|| other.report())?;

    workload.wait_for_progress(10).await?;
    let brokers = workload.admin().brokers().await?;
    let ids: Vec<u32> = brokers.iter().map(|broker| broker.broker_id.0).collect();
    ensure!(ids == [1, 2, 3], "a foreign broker was registered: {ids:?}");
    ensure!(
        workload.admin().cluster_id().await? == ours,
        "the cluster changed its id"
    );
    workload.finish().await?;
    Ok(())
}

async fn foreign_broker(cluster: &Cluster, other: &mut Cluster, ids: [&str; 2]) -> Result<()> {
    let controllers = cluster.controller_addresses().join(",");
    let node = other.node_mut(NodeName::Broker(4))?;
    node.add_arguments(set("controller.quorum.bootstrap.servers", &controllers));
    node.start()?;
    let status = node.wait_for_exit(PATIENCE).await?;
    ensure!(
        !status.success(),
        "a broker of another cluster ended with success"
    );
    let log = node.log();
    let told = log
        .lines()
        .any(|line| ids.iter().all(|id| line.contains(id)));
    ensure!(told, "no line of its log names both clusters");
    Ok(())
}

/// The other cluster's controller 3, with its disk, under the configuration of ours.
async fn foreign_controller(
    cluster: &mut Cluster,
    other: &mut Cluster,
    ids: [&str; 2],
) -> Result<()> {
    let name = NodeName::Controller(3);
    cluster.kill(name)?;
    let replaced = cluster.node(name)?;
    let address = replaced.address().to_owned();
    let config = replaced.config_path().to_owned();
    let node = other.node_mut(name)?;
    let data = node.data_path().display().to_string();
    node.use_config(config);
    node.add_arguments(set("metadata.log.dir", &data));
    let seen_before = node.log().len();
    node.start()?;
    let http = cluster.http().clone();
    until(
        "the controller of another cluster to be refused",
        PATIENCE,
        async || {
            ensure!(is_ready(&http, &address).await.is_err(), "it became ready");
            let log = node.log();
            let news = log.get(seen_before..).unwrap_or_default();
            Ok(ids.iter().all(|id| news.contains(id)).then_some(()))
        },
    )
    .await?;
    if node.unexpected_end().is_none() {
        node.kill()?;
    }
    cluster.restart(name).await
}

fn set(key: &str, value: &str) -> [String; 2] {
    ["--set".to_owned(), format!("{key}={value}")]
}
