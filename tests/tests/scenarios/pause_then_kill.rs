//! The schedule that made other systems forget: one replica misses writes, a second is killed, the
//! third hangs, and the first one wakes. It must not lead: it lacks what was acknowledged.

use std::time::Duration;

use anyhow::{Result, ensure};
use trimaran_api::controller::BrokerState;
use trimaran_tests::client::Admin;
use trimaran_tests::cluster::{Cluster, ClusterSpec, NodeName, Storage, scenario};
use trimaran_tests::workload::{Workload, WorkloadPlan};

const PATIENCE: Duration = Duration::from_secs(60);

/// The one that misses writes, the one that is killed, the one that hangs.
const BEHIND: u32 = 1;
const KILLED: u32 = 2;
const HUNG: u32 = 3;

#[test]
fn a_replica_that_missed_acknowledged_writes_never_leads() {
    scenario(&ClusterSpec::three_and_three().storage(Storage::Disk), run);
}

async fn run(cluster: &mut Cluster) -> Result<()> {
    let mut workload = Workload::start(cluster, WorkloadPlan::new("schedule")).await?;
    let (admin, topic) = (workload.admin(), workload.topic().to_owned());
    cluster.node_mut(NodeName::Broker(BEHIND))?.pause()?;
    admin.wait_for_isr_without(&topic, BEHIND, PATIENCE).await?;
    // These are the writes that it lacks.
    workload.wait_for_progress(20).await?;

    cluster.kill(NodeName::Broker(KILLED))?;
    admin
        .wait_for_broker(KILLED, BrokerState::Fenced, PATIENCE)
        .await?;
    cluster.node_mut(NodeName::Broker(HUNG))?.pause()?;
    cluster.node_mut(NodeName::Broker(BEHIND))?.resume()?;
    admin
        .wait_for_broker(HUNG, BrokerState::Fenced, PATIENCE)
        .await?;
    admin
        .wait_for_broker(BEHIND, BrokerState::Active, PATIENCE)
        .await?;
    does_not_lead(&admin, &topic).await?;
    cluster.restart(NodeName::Broker(KILLED)).await?;
    admin
        .wait_for_broker(KILLED, BrokerState::Active, PATIENCE)
        .await?;
    does_not_lead(&admin, &topic).await?;

    cluster.node_mut(NodeName::Broker(HUNG))?.resume()?;
    workload.wait_for_progress(20).await?;
    workload.finish().await?;
    Ok(())
}

/// While the replica is in no ISR, it leads nothing.
async fn does_not_lead(admin: &Admin, topic: &str) -> Result<()> {
    for partition in admin.topic(topic).await?.partitions {
        let leads = partition.leader.is_some_and(|leader| leader.0 == BEHIND);
        let in_sync_by_right = partition.isr.len() > 1;
        ensure!(
            !leads || in_sync_by_right,
            "a replica that lacks writes leads: {partition:?}"
        );
    }
    Ok(())
}
