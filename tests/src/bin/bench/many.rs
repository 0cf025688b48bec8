//! One broker with ten thousand partitions: what ADR 0010 sets limits for.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{Instant, sleep};
use trimaran_tests::client::{Admin, ProduceRequest, RecordFate, Rest};
use trimaran_tests::cluster::{Cluster, ClusterSpec, NodeName, Storage};
use trimaran_tests::history::ValueId;
use trimaran_types::PartitionIndex;

use super::options::Options;
use super::report::Report;
use super::resources::{cpu_seconds, open_files, resident_mib};

const PART: &str = "many";
const BROKER: NodeName = NodeName::Broker(1);
const PARTITIONS_A_TOPIC: u32 = 1_000;

/// A new broker opens thousands of folders, on whatever disk this is.
const PATIENCE: Duration = Duration::from_secs(300);
/// The broker looks once a minute at what was not appended to since it looked last: after the second
/// look nothing that lies idle is open.
const FILES_CLOSE_AFTER: Duration = Duration::from_secs(130);

pub(crate) async fn measure(options: &Options, report: &mut Report) -> Result<()> {
    let topics = options.many_topics();
    let spec = ClusterSpec::new(1, 1).storage(Storage::Disk);
    let mut cluster = Cluster::start(&spec).await?;
    let figures = all_figures(&mut cluster, options, topics).await;
    let figures = figures.with_context(|| cluster.report())?;
    let partitions = topics * PARTITIONS_A_TOPIC;
    let mut beyond = Vec::new();
    for (what, value, unit, limit) in figures {
        let named = match limit {
            Some(limit) => {
                format!("{what}, {partitions} partitions; the limit for 10000 is {limit}")
            }
            None => format!("{what}, {partitions} partitions"),
        };
        report.add(PART, named, value, unit);
        if limit.is_some_and(|limit| value > f64::from(limit)) {
            beyond.push(what);
        }
    }
    anyhow::ensure!(beyond.is_empty(), "beyond the limit: {}", beyond.join(", "));
    Ok(())
}

type Figure = (&'static str, f64, &'static str, Option<u32>);

async fn all_figures(cluster: &mut Cluster, options: &Options, topics: u32) -> Result<Vec<Figure>> {
    let rest = Rest::new(cluster.http().clone(), cluster.broker_addresses(), 1)?;
    let admin = Admin::new(rest.clone());
    let began = Instant::now();
    for number in 0..topics {
        let topic = topic(number);
        admin
            .create_topic(&topic, PARTITIONS_A_TOPIC, 1, &[])
            .await?;
    }
    every_topic_is_served(&rest, topics).await?;
    let created = began.elapsed().as_secs_f64();
    write_everywhere(&rest, topics).await?;
    let while_used = open_files(cluster, BROKER)?;

    sleep(FILES_CLOSE_AFTER).await;
    let (idle_began, before) = (Instant::now(), cpu_seconds(cluster)?);
    sleep(options.row_length().max(Duration::from_secs(5))).await;
    let idle = (cpu_seconds(cluster)? - before) / idle_began.elapsed().as_secs_f64();
    let (memory, files) = (resident_mib(cluster, BROKER)?, open_files(cluster, BROKER)?);

    let began = Instant::now();
    cluster.node_mut(BROKER)?.terminate(PATIENCE).await?;
    let stopped = began.elapsed().as_secs_f64();
    let opened = restarted(cluster, &rest, topics).await?;
    write_everywhere(&rest, topics).await?;
    cluster.kill(BROKER)?;
    let recovered = restarted(cluster, &rest, topics).await?;
    Ok(vec![
        ("created, and every topic written to", created, "s", None),
        ("clean stop", stopped, "s", None),
        ("open after it", opened, "s", Some(10)),
        ("open after a kill", recovered, "s", Some(30)),
        ("resident memory, idle", memory, "MiB", Some(200)),
        ("processor time, idle", idle * 100.0, "% of a core", Some(2)),
        (
            "open files, after writing to each",
            while_used,
            "files",
            None,
        ),
        ("open files, idle", files, "files", Some(200)),
    ])
}

fn topic(number: u32) -> String {
    format!("many-{number}")
}

async fn restarted(cluster: &mut Cluster, rest: &Rest, topics: u32) -> Result<f64> {
    let began = Instant::now();
    cluster.node_mut(BROKER)?.start()?;
    cluster.wait_until_node_ready(BROKER, PATIENCE).await?;
    every_topic_is_served(rest, topics).await?;
    Ok(began.elapsed().as_secs_f64())
}

/// The last partition of each topic takes a record.
async fn every_topic_is_served(rest: &Rest, topics: u32) -> Result<()> {
    for number in 0..topics {
        write(rest, &topic(number), PARTITIONS_A_TOPIC - 1).await?;
    }
    Ok(())
}

async fn write_everywhere(rest: &Rest, topics: u32) -> Result<()> {
    for number in 0..topics {
        let topic = topic(number);
        for partition in 0..PARTITIONS_A_TOPIC {
            write(rest, &topic, partition).await?;
        }
    }
    Ok(())
}

async fn write(rest: &Rest, topic: &str, partition: u32) -> Result<()> {
    let request = ProduceRequest {
        topic,
        partition: PartitionIndex(partition),
        values: &[ValueId {
            producer: 0,
            sequence: 0,
        }],
        padding_bytes: 100,
        patience: PATIENCE,
    };
    let fates = request.send(rest).await;
    anyhow::ensure!(
        matches!(fates[..], [RecordFate::Acked(_)]),
        "{topic}-{partition}: {fates:?}"
    );
    Ok(())
}
