//! SIGKILL to the leader of a partition, as a producer at a surviving broker sees it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::sleep;
use trimaran_tests::client::{Admin, Rest};
use trimaran_tests::cluster::{Cluster, ClusterSpec, NodeName, Storage};

use super::options::Options;
use super::probe::Probe;
use super::report::Report;
use super::statistics::{largest, median, ms};

const PART: &str = "failover";
const TOPIC: &str = "failover";
const PATIENCE: Duration = Duration::from_secs(60);

/// Steady writing before and after the kill.
const STEADY: Duration = Duration::from_millis(300);

pub(crate) async fn measure(options: &Options, report: &mut Report) -> Result<()> {
    let spec = ClusterSpec::three_and_three().storage(Storage::Disk);
    let mut cluster = Cluster::start(&spec).await?;
    let rest = Rest::new(cluster.http().clone(), cluster.broker_addresses(), 1)?;
    let admin = Admin::new(rest);
    admin.create_topic(TOPIC, 1, 3, &[]).await?;
    let mut gaps = Vec::new();
    for _ in 0..options.kills() {
        let gap = one_kill(&mut cluster, &admin).await;
        gaps.push(ms(gap.with_context(|| cluster.report())?));
    }
    let kills = gaps.len();
    let what = format!("produce gap (acks=all, RF 3) after kill -9 of the leader, p50 of {kills}");
    report.add(PART, what, median(&gaps), "ms");
    report.add(PART, "the same, longest".to_owned(), largest(&gaps), "ms");
    Ok(())
}

async fn one_kill(cluster: &mut Cluster, admin: &Admin) -> Result<Duration> {
    admin.wait_for_full_isr(TOPIC, PATIENCE).await?;
    let leader = admin
        .partition(TOPIC, 0)
        .await?
        .leader
        .context("no leader")?;
    let name = NodeName::Broker(leader.0);
    let address = cluster.node(name)?.address().to_owned();
    let mut survivors = cluster.broker_addresses();
    survivors.retain(|broker| *broker != address);
    let probe = Probe::start(cluster.http(), survivors, TOPIC)?;
    probe.wait_for_ack_after(STEADY).await?;
    let killed = probe.now();
    cluster.kill(name)?;
    probe.wait_for_ack_after(killed).await?;
    sleep(STEADY).await;
    let gap = probe.finish().await?;
    cluster.restart(name).await?;
    Ok(gap.length())
}
