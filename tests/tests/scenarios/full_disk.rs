//! The disk of one broker is full while clients write: others lead, retention makes room on it
//! without a free block to begin with, and the broker comes back by itself.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use trimaran_tests::client::{Admin, Rest};
use trimaran_tests::cluster::{Cluster, ClusterSpec, NodeName, scenario};
use trimaran_tests::until;
use trimaran_tests::workload::{Workload, WorkloadPlan};

const PATIENCE: Duration = Duration::from_secs(60);
const BROKER: u32 = 1;
const PARTITIONS: u32 = 4;
const OLD: &str = "old";
/// What lies in the way, on every broker: 6 MB.
const OLD_REQUESTS: usize = 60;
const OLD_RECORDS: usize = 100;

/// A file system of its own, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one of 24 MiB; `None`, and why, where that is not allowed.
    fn mount(at: &Path) -> Result<Option<Self>> {
        std::fs::create_dir_all(at)?;
        let mut mount = Command::new("mount");
        let mounted = mount
            .args(["-t", "tmpfs", "-o", "size=24m", "none"])
            .arg(at)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Ok(Some(Self(at.to_owned()))),
            Ok(output) => {
                let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                println!("skipped: no file system of one's own here: {reason}");
                Ok(None)
            }
            Err(error) => {
                println!("skipped: no mount here: {error}");
                Ok(None)
            }
        }
    }

    /// Takes every block that is left.
    fn fill(&self) -> Result<()> {
        let mut filler = File::create(self.0.join("filler"))?;
        for piece in [64 * 1024, 512, 1] {
            while filler.write_all(&vec![1; piece]).is_ok() {}
        }
        Ok(())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The broker may still have files open there: it goes when they are closed.
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} stays mounted", self.0.display());
        }
    }
}

#[test]
fn a_full_disk_costs_the_leaderships_on_it_and_retention_clears_it() {
    let spec = ClusterSpec::three_and_three()
        .broker_setting("log.initial.task.delay.ms", 0)
        .broker_setting("log.retention.check.interval.ms", 200);
    scenario(&spec, run);
}

async fn run(cluster: &mut Cluster) -> Result<()> {
    let name = NodeName::Broker(BROKER);
    let place = cluster.node(name)?.data_path().with_extension("small");
    let Some(disk) = SmallDisk::mount(&place)? else {
        return Ok(());
    };
    cluster.kill(name)?;
    let dirs = format!("log.dirs={}", place.display());
    let node = cluster.node_mut(name)?;
    node.add_arguments(["--set".to_owned(), dirs]);
    cluster.restart(name).await?;

    let rest = Rest::new(cluster.http().clone(), cluster.broker_addresses(), 1)?;
    let admin = Admin::new(rest.clone());
    write_old_records(&rest, &admin).await?;
    let mut workload = Workload::start(cluster, WorkloadPlan::new("full")).await?;
    workload.wait_for_progress(50).await?;
    admin.wait_for_full_isr("full", PATIENCE).await?;
    let led = leaders(&admin).await?;
    ensure!(led.contains(&Some(BROKER)), "nothing to hand over: {led:?}");

    disk.fill()?;
    until("others to lead", PATIENCE, async || {
        let led = leaders(&admin).await?;
        ensure!(!led.contains(&Some(BROKER)), "{led:?}");
        Ok(Some(()))
    })
    .await?;
    workload.wait_for_progress(50).await?;
    let led = leaders(&admin).await?;
    ensure!(!led.contains(&Some(BROKER)), "it came back: {led:?}");

    let cluster_id = admin.cluster_id().await?;
    let path = format!("/v3/clusters/{cluster_id}/topics/{OLD}/configs:alter");
    let shorter = json!({ "data": [{ "name": "retention.bytes", "value": "1048576" }] });
    let altered = rest.post(&path, &shorter).await?;
    ensure!(altered.is_success(), "{altered}");
    admin.wait_for_full_isr("full", PATIENCE).await?;
    workload.wait_for_progress(50).await?;
    let own = Rest::new(
        cluster.http().clone(),
        vec![cluster.node(name)?.address().to_owned()],
        1,
    )?;
    until("the broker to see that it has room", PATIENCE, async || {
        let ready = own.get("/readyz").await?;
        let state = &ready.body["log_dirs"][0]["state"];
        ensure!(state == "ok", "{ready}");
        Ok(Some(()))
    })
    .await?;
    workload.finish().await?;
    let all = [1, 2, 3].map(NodeName::Broker);
    ensure!(place.join("filler").exists());
    let batches = cluster.compare_replicas("full", PARTITIONS, &all[1..])?;
    ensure!(batches > 0, "no batch was compared");
    Ok(())
}

async fn write_old_records(rest: &Rest, admin: &Admin) -> Result<()> {
    let configs = [
        ("segment.bytes", "524288"),
        ("file.delete.delay.ms", "0"),
        ("compression.type", "uncompressed"),
    ];
    admin.create_topic(OLD, 1, 3, &configs).await?;
    let records: Vec<Value> = (0..OLD_RECORDS)
        .map(|_| json!({ "value": "x".repeat(1000) }))
        .collect();
    let body = json!({ "records": records });
    for _ in 0..OLD_REQUESTS {
        let answer = rest.post(&format!("/topics/{OLD}"), &body).await?;
        ensure!(answer.is_success(), "{answer}");
    }
    admin.wait_for_full_isr(OLD, PATIENCE).await
}

/// Who leads each partition that the clients write.
async fn leaders(admin: &Admin) -> Result<Vec<Option<u32>>> {
    let status = admin.topic("full").await.context("the topic")?;
    let led = status.partitions.iter();
    Ok(led.map(|it| it.leader.map(|leader| leader.0)).collect())
}
