//! A controller was away for more entries than the others keep: only a snapshot can help it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::task::JoinSet;
use trimaran_api::controller::QuorumStatus;
use trimaran_tests::client::Admin;
use trimaran_tests::cluster::{Cluster, ClusterSpec, NodeName, scenario};
use trimaran_tests::until;
use trimaran_tests::workload::{Workload, WorkloadPlan};

const MISSED_ENTRIES: u64 = 10_000;
const CREATORS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_controller_that_missed_ten_thousand_entries_catches_up_by_snapshot() {
    let spec = ClusterSpec::three_and_three()
        .controller_setting("metadata.log.entries.between.snapshots", 1_000)
        .controller_setting("metadata.log.entries.kept", 500);
    scenario(&spec, run);
}

async fn run(cluster: &mut Cluster) -> Result<()> {
    let mut workload = Workload::start(cluster, WorkloadPlan::new("load").partitions(2)).await?;
    let admin = workload.admin();
    let active = admin.active_controller().await?;
    let away = (1..=3).find(|id| *id != active).context("a follower")?;
    cluster.kill(NodeName::Controller(away))?;
    let missed_from = admin.quorum().await?.high_watermark;
    write_entries(&admin, missed_from + MISSED_ENTRIES).await?;

    cluster.restart(NodeName::Controller(away)).await?;
    let goal = admin.quorum().await?.high_watermark;
    let address = cluster
        .node(NodeName::Controller(away))?
        .address()
        .to_owned();
    let status = until("the controller to catch up", PATIENCE, async || {
        let url = format!("http://{address}/v1/quorum");
        let answer = cluster.http().get(url).send().await?.error_for_status()?;
        let status: QuorumStatus = serde_json::from_slice(&answer.bytes().await?)?;
        let caught_up = status.applied_index.is_some_and(|index| index + 1 >= goal);
        Ok(caught_up.then_some(status))
    })
    .await?;
    ensure!(
        status
            .snapshot_index
            .is_some_and(|index| index > missed_from)
            && status.log_start > missed_from,
        "it caught up without a snapshot: {status:?}"
    );
    // What it got must be good enough to lead with.
    cluster.kill(NodeName::Controller(active))?;
    let other = admin.active_controller_other_than(active, PATIENCE).await?;
    admin
        .create_topic("after", 1, 3, &[])
        .await
        .context("under the new active controller")?;
    ensure!(other != active, "a dead controller is active");
    cluster.restart(NodeName::Controller(active)).await?;
    workload.wait_for_progress(10).await?;
    workload.finish().await?;
    Ok(())
}

/// Creates and deletes small topics until the log has grown to `goal` entries. Deleting keeps the
/// image and the brokers' disks small; the log keeps both entries.
async fn write_entries(admin: &Admin, goal: u64) -> Result<()> {
    let cluster_id: Arc<str> = admin.cluster_id().await?.into();
    let mut creators = JoinSet::new();
    for creator in 0..CREATORS {
        let (admin, cluster_id) = (admin.clone(), cluster_id.clone());
        creators.spawn(async move {
            for number in 0..usize::try_from(MISSED_ENTRIES)? {
                let topic = format!("entry-{creator}-{number}");
                let created = admin.try_create(&cluster_id, &topic, 1, 1, &[]).await?;
                if created.status != 201 {
                    bail!("creating {topic} was answered {created}");
                }
                let deleted = admin.try_delete(&cluster_id, &topic).await?;
                ensure!(
                    deleted.is_success(),
                    "deleting {topic} was answered {deleted}"
                );
                if number % 20 == 0 && admin.quorum().await?.high_watermark >= goal {
                    return Ok(());
                }
            }
            bail!("the log did not grow to {goal} entries")
        });
    }
    while let Some(ended) = creators.join_next().await {
        ended.context("a creator panicked")??;
    }
    Ok(())
}
