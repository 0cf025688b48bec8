//! Cold start: from the first of six processes to the first acknowledged record.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{Instant, sleep};
use trimaran_tests::client::{Admin, ProduceRequest, RecordFate, Rest};
use trimaran_tests::cluster::{Cluster, ClusterSpec, Storage};
use trimaran_tests::history::ValueId;
use trimaran_types::PartitionIndex;

use super::options::Options;
use super::report::Report;
use super::statistics::{largest, median, ms};

const PART: &str = "start";
const PATIENCE: Duration = Duration::from_secs(60);

/// Pause between two looks; short, since it is part of what is measured.
const LOOK_PAUSE: Duration = Duration::from_millis(2);

pub(crate) async fn measure(options: &Options, report: &mut Report) -> Result<()> {
    let (mut ready, mut acked) = (Vec::new(), Vec::new());
    for _ in 0..options.starts() {
        let spec = ClusterSpec::three_and_three().storage(Storage::Disk);
        let mut cluster = Cluster::prepare(&spec)?;
        let times = one_start(&mut cluster).await;
        let (all_ready, first_ack) = times.with_context(|| cluster.report())?;
        ready.push(ms(all_ready));
        acked.push(ms(first_ack));
    }
    report.add(
        PART,
        "six processes to all ready, median".to_owned(),
        median(&ready),
        "ms",
    );
    let what = "six processes to first record acknowledged (acks=all, RF 3), median";
    report.add(PART, what.to_owned(), median(&acked), "ms");
    report.add(PART, "the same, slowest".to_owned(), largest(&acked), "ms");
    Ok(())
}

async fn one_start(cluster: &mut Cluster) -> Result<(Duration, Duration)> {
    let rest = Rest::new(cluster.http().clone(), cluster.broker_addresses(), 1)?;
    let began = Instant::now();
    cluster.start_all()?;
    for address in cluster.broker_addresses() {
        until(async || {
            trimaran_tests::cluster::is_ready(cluster.http(), &address).await?;
            Ok(())
        })
        .await
        .with_context(|| format!("{address} did not become ready"))?;
    }
    let all_ready = began.elapsed();
    let admin = Admin::new(rest.clone());
    let cluster_id = admin.cluster_id().await?;
    let created = admin.try_create(&cluster_id, "first", 1, 3, &[]).await?;
    anyhow::ensure!(created.status == 201, "{created}");
    until(async || write_one(&rest).await).await?;
    Ok((all_ready, began.elapsed()))
}

async fn write_one(rest: &Rest) -> Result<()> {
    let request = ProduceRequest {
        topic: "first",
        partition: PartitionIndex(0),
        values: &[ValueId {
            producer: 0,
            sequence: 0,
        }],
        padding_bytes: 100,
        patience: PATIENCE,
    };
    let fates = request.send(rest).await;
    anyhow::ensure!(matches!(fates[..], [RecordFate::Acked(_)]), "{fates:?}");
    Ok(())
}

async fn until(mut look: impl AsyncFnMut() -> Result<()>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look().await {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => sleep(LOOK_PAUSE).await,
        }
    }
}
