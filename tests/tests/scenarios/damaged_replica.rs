//! Bytes go bad on a broker's disk while it is down: below the recovery point, where no start looks.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use trimaran_tests::client::read_whole;
use trimaran_tests::cluster::{Cluster, ClusterSpec, NodeName, Storage, scenario};
use trimaran_tests::workload::{Workload, WorkloadPlan};
use trimaran_types::{BrokerId, Offset, PartitionIndex};

const PATIENCE: Duration = Duration::from_secs(60);
const TOPIC: &str = "damage";
const PARTITIONS: u32 = 4;

#[test]
fn damaged_bytes_are_never_served_and_the_replica_is_fetched_anew() {
    scenario(&ClusterSpec::three_and_three().storage(Storage::Disk), run);
}

/// A partition that the broker leads once `before` has gone.
struct Place {
    partition: u32,
    before: NodeName,
}

async fn run(cluster: &mut Cluster) -> Result<()> {
    let mut workload = Workload::start(cluster, WorkloadPlan::new(TOPIC)).await?;
    // Enough that a start after a clean stop does not look at the first records.
    workload.wait_for_progress(150).await?;
    let admin = workload.admin();
    let led = admin.partition(TOPIC, 0).await?;
    let (damaged, next) = (led.replicas[0], led.replicas[1]);
    let topic = admin.topic(TOPIC).await?;
    let followed = topic.partitions.iter().find(|it| it.replicas[1] == damaged);
    let followed = followed.context("no partition has the broker in second place")?;
    let places = [
        Place {
            partition: 0,
            before: NodeName::Broker(next.0),
        },
        Place {
            partition: followed.partition.0,
            before: NodeName::Broker(followed.replicas[0].0),
        },
    ];
    let name = NodeName::Broker(damaged.0);
    let status = cluster.node_mut(name)?.terminate(PATIENCE).await?;
    ensure!(status.success(), "{name} ended with {status}");
    for place in &places {
        cluster.damage_first_record(name, TOPIC, place.partition)?;
    }
    workload.wait_for_progress(20).await?;
    cluster.restart(name).await?;
    admin.wait_for_full_isr(TOPIC, PATIENCE).await?;
    for (found, place) in places.iter().enumerate() {
        lead_and_be_found_out(cluster, &mut workload, damaged, place).await?;
        let metric = format!("trimaran_broker_replicas_begun_anew {}", found + 1);
        wait_for_metric(cluster, name, &metric).await?;
        let kept = cluster.folders_set_aside(name, TOPIC, place.partition)?;
        ensure!(
            kept.len() == 1 && kept[0].ends_with("-damaged"),
            "kept of {}: {kept:?}",
            place.partition
        );
    }
    workload.finish().await?;
    let out = cluster.out_of_service(name).await?;
    ensure!(out.is_empty(), "{out:?}");
    let all = [1, 2, 3].map(NodeName::Broker);
    let batches = cluster.compare_replicas(TOPIC, PARTITIONS, &all)?;
    ensure!(batches > 0, "no batch was compared");
    Ok(())
}

/// Makes the broker lead the damaged partition and reads it from its beginning.
async fn lead_and_be_found_out(
    cluster: &mut Cluster,
    workload: &mut Workload,
    damaged: BrokerId,
    place: &Place,
) -> Result<()> {
    let admin = workload.admin();
    let status = cluster.node_mut(place.before)?.terminate(PATIENCE).await?;
    ensure!(status.success(), "{} ended with {status}", place.before);
    let what = format!("broker {damaged} to lead {TOPIC}-{}", place.partition);
    trimaran_tests::until(&what, PATIENCE, async || {
        let leader = admin.partition(TOPIC, place.partition).await?.leader;
        Ok((leader == Some(damaged)).then_some(()))
    })
    .await?;
    let partition = PartitionIndex(place.partition);
    let through = cluster
        .node(NodeName::Broker(damaged.0))?
        .address()
        .to_owned();
    let read = read_whole(workload.rest(), &through, TOPIC, partition, Offset(1)).await?;
    let expected = usize::try_from(read.end.0)?;
    ensure!(
        read.start == Offset::ZERO && read.records.len() == expected,
        "{} records of {expected} were read",
        read.records.len()
    );
    let leader = admin.partition(TOPIC, place.partition).await?.leader;
    ensure!(leader != Some(damaged), "the damaged replica still leads");
    cluster.restart(place.before).await?;
    admin.wait_for_full_isr(TOPIC, PATIENCE).await?;
    workload.wait_for_progress(20).await
}

async fn wait_for_metric(cluster: &Cluster, name: NodeName, line: &str) -> Result<()> {
    let url = format!("http://{}/metrics", cluster.node(name)?.address());
    trimaran_tests::until(&format!("{line} at {name}"), PATIENCE, async || {
        let page = cluster.http().get(&url).send().await?.text().await?;
        Ok(page.lines().any(|it| it == line).then_some(()))
    })
    .await
}
