//! A broker with two log directories loses one while clients write: its replicas there
//! are fetched anew into the other one, and nothing acknowledged is lost.

use std::time::Duration;

use anyhow::{Result, ensure};
use trimaran_tests::client::{Answer, Rest};
use trimaran_tests::cluster::{Cluster, ClusterSpec, NodeName, Storage, scenario};
use trimaran_tests::until;
use trimaran_tests::workload::{Workload, WorkloadPlan};

const PATIENCE: Duration = Duration::from_secs(60);
const BROKER: u32 = 3;
const PARTITIONS: u32 = 4;

#[test]
fn a_failed_log_directory_takes_only_its_own_replicas_out() {
    scenario(&ClusterSpec::three_and_three().storage(Storage::Disk), run);
}

async fn run(cluster: &mut Cluster) -> Result<()> {
    let name = NodeName::Broker(BROKER);
    let first = cluster.node(name)?.data_path().to_owned();
    let second = first.with_extension("second");
    let set = |dirs: String| ["--set".to_owned(), format!("log.dirs={dirs}")];
    cluster.kill(name)?;
    let both = format!("{},{}", first.display(), second.display());
    cluster.node_mut(name)?.add_arguments(set(both));
    cluster.restart(name).await?;

    // New replicas go to the emptiest directory, so half of them to each.
    let plan = WorkloadPlan::new("dirs").partitions(PARTITIONS);
    let mut workload = Workload::start(cluster, plan).await?;
    workload.wait_for_progress(50).await?;
    let admin = workload.admin();
    admin.wait_for_full_isr(workload.topic(), PATIENCE).await?;
    let logs = |path: &std::path::Path| -> Result<usize> {
        let entries = std::fs::read_dir(path.join("logs"))?;
        Ok(entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.starts_with("dirs-"))
            .count())
    };
    ensure!(logs(&first)? == 2, "{} logs in the first", logs(&first)?);
    ensure!(logs(&second)? == 2, "{} logs in the second", logs(&second)?);

    // The directory goes away: whoever needs a file in it next gets an error of the system.
    std::fs::rename(second.join("logs"), second.join("gone"))?;
    std::fs::write(second.join("logs"), b"no directory")?;
    let rest = Rest::new(
        cluster.http().clone(),
        vec![cluster.node(name)?.address().to_owned()],
        1,
    )?;
    let ready = until("the directory to be out of service", PATIENCE, async || {
        let answer = rest.get("/readyz").await?;
        Ok((states(&answer) == ["ok", "failed"]).then_some(answer))
    })
    .await?;
    ensure!(ready.is_success(), "the broker lives on: {ready}");
    until(
        "its replicas to be fetched into the other",
        PATIENCE,
        async || Ok((logs(&first)? == 4).then_some(())),
    )
    .await?;
    admin.wait_for_full_isr(workload.topic(), PATIENCE).await?;
    workload.wait_for_progress(50).await?;

    // A start without it finds everything in the one that is left.
    cluster.kill(name)?;
    let only = set(first.display().to_string());
    cluster.node_mut(name)?.add_arguments(only);
    cluster.restart(name).await?;
    admin.wait_for_full_isr(workload.topic(), PATIENCE).await?;
    ensure!(logs(&first)? == 4, "{} logs in the first", logs(&first)?);
    workload.wait_for_progress(20).await?;
    workload.finish().await?;
    let all = [1, 2, 3].map(NodeName::Broker);
    let batches = cluster.compare_replicas("dirs", PARTITIONS, &all)?;
    ensure!(batches > 0, "no batch was compared");
    Ok(())
}

/// The states of the log directories that `/readyz` shows.
fn states(answer: &Answer) -> Vec<&str> {
    let dirs = answer.body["log_dirs"].as_array();
    dirs.into_iter()
        .flatten()
        .filter_map(|dir| dir["state"].as_str())
        .collect()
}
