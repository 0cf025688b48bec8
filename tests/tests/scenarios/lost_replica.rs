//! The folder of the newest replica vanishes, before it ever had a recovery point, while every broker
//! is down: it must not come back as an empty one that leads.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use trimaran_api::controller::BrokerState;
use trimaran_tests::cluster::{Cluster, ClusterSpec, NodeName, Storage, scenario};
use trimaran_tests::workload::{Workload, WorkloadPlan};
use trimaran_types::BrokerId;

const PATIENCE: Duration = Duration::from_secs(60);
const TOPIC: &str = "lost";

#[test]
fn a_replica_whose_folder_is_gone_leads_nothing_and_is_fetched_anew() {
    scenario(&ClusterSpec::three_and_three().storage(Storage::Disk), run);
}

async fn run(cluster: &mut Cluster) -> Result<()> {
    let mut workload = Workload::start(cluster, WorkloadPlan::new(TOPIC)).await?;
    workload.wait_for_progress(20).await?;
    let admin = workload.admin();
    // One after the other, so that broker 3 has what the others have not, and 2 may lead, too.
    for broker in [1, 2] {
        cluster.kill(NodeName::Broker(broker))?;
        let fenced = admin.wait_for_broker(broker, BrokerState::Fenced, PATIENCE);
        fenced.await?;
        if broker == 1 {
            workload.wait_for_progress(20).await?;
        }
    }
    let last = NodeName::Broker(3);
    cluster.kill(last)?;
    let folder = cluster.replica_folder(last, TOPIC, 0)?;
    std::fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;

    cluster.restart(last).await?;
    let others_led = "the other partitions to be led by broker 3";
    trimaran_tests::until(others_led, PATIENCE, async || {
        let topic = admin.topic(TOPIC).await?;
        let mut others = topic.partitions.iter().filter(|it| it.partition.0 != 0);
        Ok(others
            .all(|it| it.leader == Some(BrokerId(3)))
            .then_some(()))
    })
    .await?;
    let lost = admin.partition(TOPIC, 0).await?;
    ensure!(lost.leader.is_none() && lost.isr.is_empty(), "{lost:?}");
    ensure!(
        lost.eligible_leader_replicas == [BrokerId(2)],
        "only broker 2 has every acknowledged record: {lost:?}"
    );
    let out = cluster.out_of_service(last).await?;
    ensure!(out == [format!("{TOPIC}-0")], "{out:?}");
    ensure!(!folder.exists(), "an empty log was begun");

    cluster.restart(NodeName::Broker(2)).await?;
    cluster.restart(NodeName::Broker(1)).await?;
    admin.wait_for_full_isr(TOPIC, PATIENCE).await?;
    workload.wait_for_progress(20).await?;
    workload.finish().await?;
    let out = cluster.out_of_service(last).await?;
    ensure!(out.is_empty(), "{out:?}");
    let all = [1, 2, 3].map(NodeName::Broker);
    let batches = cluster.compare_replicas(TOPIC, 4, &all)?;
    ensure!(batches > 0, "no batch was compared");
    Ok(())
}
