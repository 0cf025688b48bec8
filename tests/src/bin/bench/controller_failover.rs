//! SIGKILL to the active controller: how long no change is taken, and what a producer notices.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use trimaran_tests::client::{Admin, Rest};
use trimaran_tests::cluster::{Cluster, ClusterSpec, NodeName, Storage};
use trimaran_tests::until;

use super::options::Options;
use super::probe::Probe;
use super::report::Report;
use super::statistics::{largest, median, ms};

const PART: &str = "controller-failover";
const TOPIC: &str = "steady";
const PATIENCE: Duration = Duration::from_secs(60);
const STEADY: Duration = Duration::from_millis(300);

pub(crate) async fn measure(options: &Options, report: &mut Report) -> Result<()> {
    let spec = ClusterSpec::three_and_three().storage(Storage::Disk);
    let mut cluster = Cluster::start(&spec).await?;
    let rest = Rest::new(cluster.http().clone(), cluster.broker_addresses(), 1)?;
    let admin = Admin::new(rest);
    admin.create_topic(TOPIC, 1, 3, &[]).await?;
    let (mut changes, mut records) = (Vec::new(), Vec::new());
    for round in 0..options.kills() {
        let gaps = one_kill(&mut cluster, &admin, round).await;
        let (change, record) = gaps.with_context(|| cluster.report())?;
        changes.push(ms(change));
        records.push(ms(record));
    }
    let kills = changes.len();
    let what = format!("gap between topics created after kill -9, p50 of {kills}");
    report.add(PART, what, median(&changes), "ms");
    report.add(
        PART,
        "the same, longest".to_owned(),
        largest(&changes),
        "ms",
    );
    let what = "gap between records acknowledged meanwhile, p50".to_owned();
    report.add(PART, what, median(&records), "ms");
    report.add(
        PART,
        "the same, longest".to_owned(),
        largest(&records),
        "ms",
    );
    Ok(())
}

async fn one_kill(
    cluster: &mut Cluster,
    admin: &Admin,
    round: usize,
) -> Result<(Duration, Duration)> {
    let active = NodeName::Controller(admin.active_controller().await?);
    let probe = Probe::start(cluster.http(), cluster.broker_addresses(), TOPIC)?;
    let creator = Creator::start(admin.clone(), admin.cluster_id().await?, round);
    sleep(STEADY).await;
    creator.wait_for_more(3).await?;
    cluster.kill(active)?;
    creator.wait_for_more(3).await?;
    sleep(STEADY).await;
    let change_gap = creator.finish().await?;
    let record_gap = probe.finish().await?.length();
    cluster.restart(active).await?;
    Ok((change_gap, record_gap))
}

/// Creates and deletes one small topic after the other, and keeps when each was done.
struct Creator {
    created: Arc<Mutex<Vec<Instant>>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Creator {
    fn start(admin: Admin, cluster_id: String, round: usize) -> Self {
        let created = Arc::new(Mutex::new(Vec::new()));
        let stop = watch::Sender::new(false);
        let task = tokio::spawn(create(
            admin,
            cluster_id,
            round,
            created.clone(),
            stop.subscribe(),
        ));
        Self {
            created,
            stop,
            task,
        }
    }

    fn times(&self) -> Vec<Instant> {
        self.created
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn wait_for_more(&self, count: usize) -> Result<()> {
        let goal = self.times().len() + count;
        let what = format!("{count} more topics");
        until(&what, PATIENCE, async || {
            Ok((self.times().len() >= goal).then_some(()))
        })
        .await
    }

    async fn finish(self) -> Result<Duration> {
        // When it has ended by itself, the join tells why.
        let _ = self.stop.send(true);
        let times = self.times();
        self.task.await.context("the creator panicked")?;
        let gaps = times.windows(2).map(|pair| pair[1].duration_since(pair[0]));
        gaps.max().context("no topic was created")
    }
}

async fn create(
    admin: Admin,
    cluster_id: String,
    round: usize,
    created: Arc<Mutex<Vec<Instant>>>,
    stop: watch::Receiver<bool>,
) {
    for number in 0_u64.. {
        if *stop.borrow() {
            return;
        }
        let topic = format!("created-{round}-{number}");
        let answer = admin.try_create(&cluster_id, &topic, 1, 1, &[]).await;
        if answer.is_ok_and(|answer| answer.status == 201) {
            created
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(Instant::now());
            // Whether this one is gone does not matter to the figure.
            let _ = admin.try_delete(&cluster_id, &topic).await;
        }
    }
}
