//! Bytes go bad on the disks of brokers that serve, in finished segments that nobody reads: the scrub
//! finds them, of a follower and of a leader, and the replica is fetched anew.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use trimaran_tests::client::Admin;
use trimaran_tests::cluster::{Cluster, ClusterSpec, NodeName, Storage, scenario};
use trimaran_tests::until;
use trimaran_tests::workload::{Workload, WorkloadPlan};
use trimaran_types::BrokerId;

const PATIENCE: Duration = Duration::from_secs(60);
const TOPIC: &str = "scrub";
const PARTITIONS: u32 = 2;
const SEGMENTS_MIN: usize = 4;

#[test]
fn rot_in_finished_segments_is_found_before_anybody_reads_it() {
    let spec = ClusterSpec::three_and_three()
        .storage(Storage::Disk)
        .broker_setting("log.initial.task.delay.ms", 0)
        .broker_setting("log.scrub.interval.ms", 1_000)
        .broker_setting("log.scrub.io.max.bytes.per.second", 100_000_000);
    scenario(&spec, run);
}

async fn run(cluster: &mut Cluster) -> Result<()> {
    let plan = WorkloadPlan::new(TOPIC)
        .partitions(PARTITIONS)
        .config("segment.bytes", 8192);
    let mut workload = Workload::start(cluster, plan).await?;
    let admin = workload.admin();
    until("finished segments everywhere", PATIENCE, async || {
        Ok(all_have_finished_segments(cluster)?.then_some(()))
    })
    .await?;
    // Whole rounds over logs that are well, and being written: no false alarm.
    for broker in 1..=3 {
        let before = metric(cluster, broker, "log_scrub_logs").await?;
        until("some rounds", PATIENCE, async || {
            let now = metric(cluster, broker, "log_scrub_logs").await?;
            Ok((now > before + 3 * u64::from(PARTITIONS)).then_some(()))
        })
        .await?;
        ensure!(metric(cluster, broker, "log_scrub_damaged").await? == 0);
    }

    let first = admin.partition(TOPIC, 0).await?;
    let follower = first.replicas.iter().find(|it| Some(**it) != first.leader);
    let follower = *follower.context("partition 0 has no follower")?;
    rot_and_heal(cluster, &admin, follower, 0).await?;
    workload.wait_for_progress(20).await?;
    let second = admin.partition(TOPIC, 1).await?;
    let leader = second.leader.context("partition 1 has no leader")?;
    rot_and_heal(cluster, &admin, leader, 1).await?;
    workload.wait_for_progress(20).await?;

    workload.finish().await?;
    let all = [1, 2, 3].map(NodeName::Broker);
    let batches = cluster.compare_replicas(TOPIC, PARTITIONS, &all)?;
    ensure!(batches > 0, "no batch was compared");
    Ok(())
}

fn all_have_finished_segments(cluster: &Cluster) -> Result<bool> {
    for broker in 1..=3 {
        for partition in 0..PARTITIONS {
            let folder = cluster.replica_folder(NodeName::Broker(broker), TOPIC, partition)?;
            let mut segments = 0;
            for entry in std::fs::read_dir(folder)? {
                let path = entry?.path();
                segments += usize::from(path.extension().is_some_and(|it| it == "log"));
            }
            if segments < SEGMENTS_MIN {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Flips a bit under the running broker, and waits until the replica was found out, set aside, fetched
/// anew, and is in sync again.
async fn rot_and_heal(
    cluster: &Cluster,
    admin: &Admin,
    broker: BrokerId,
    partition: u32,
) -> Result<()> {
    let name = NodeName::Broker(broker.0);
    let found_before = metric(cluster, broker.0, "log_scrub_damaged").await?;
    let anew_before = metric(cluster, broker.0, "replicas_begun_anew").await?;
    let epoch = admin.partition(TOPIC, partition).await?.leader_epoch;
    cluster.damage_first_record(name, TOPIC, partition)?;
    until("the scrub to find the damage", PATIENCE, async || {
        let found = metric(cluster, broker.0, "log_scrub_damaged").await?;
        Ok((found == found_before + 1).then_some(()))
    })
    .await?;
    until("the replica to begin anew", PATIENCE, async || {
        let anew = metric(cluster, broker.0, "replicas_begun_anew").await?;
        Ok((anew == anew_before + 1).then_some(()))
    })
    .await?;
    admin.wait_for_full_isr(TOPIC, PATIENCE).await?;
    let after = admin.partition(TOPIC, partition).await?;
    ensure!(
        after.leader_epoch > epoch,
        "it left the ISR without a new leader epoch: {after:?}"
    );
    let kept = cluster.folders_set_aside(name, TOPIC, partition)?;
    ensure!(
        kept.len() == 1 && kept[0].ends_with("-damaged"),
        "kept of {partition}: {kept:?}"
    );
    let out = cluster.out_of_service(name).await?;
    ensure!(out.is_empty(), "{out:?}");
    let found = metric(cluster, broker.0, "log_scrub_damaged").await?;
    ensure!(found == found_before + 1, "found {found} times");
    Ok(())
}

/// A metric of a broker without labels.
async fn metric(cluster: &Cluster, broker: u32, name: &str) -> Result<u64> {
    let address = cluster.node(NodeName::Broker(broker))?.address().to_owned();
    let url = format!("http://{address}/metrics");
    let page = cluster.http().get(&url).send().await?.text().await?;
    let start = format!("trimaran_broker_{name} ");
    let line = page.lines().find_map(|line| line.strip_prefix(&start));
    let value = line.with_context(|| format!("{name} is not shown"))?;
    Ok(value.trim().parse()?)
}
