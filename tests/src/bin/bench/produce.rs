//! HTTP produce, closed loop: requests and records a second, latency, and what the servers pay.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;
use tokio::task::JoinSet;
use tokio::time::Instant;
use trimaran_tests::client::{Admin, Rest};
use trimaran_tests::cluster::{Cluster, ClusterSpec, Storage};

use super::baseline::Baseline;
use super::connection::Connection;
use super::options::Options;
use super::report::Report;
use super::resources::cpu_seconds;
use super::row::Row;
use super::statistics::median;

const PART: &str = "produce";
/// Where the baseline is told to write.
const NO_TOPIC: &str = "none";
const PARTITIONS: usize = 6;

/// Bytes of each record's value.
const VALUE_BYTES: usize = 1_024;

/// What one round of a row gave.
struct Round {
    requests_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

pub(crate) async fn measure(options: &Options, report: &mut Report) -> Result<()> {
    let mut spec = ClusterSpec::three_and_three().storage(Storage::Disk);
    for (key, value) in &options.broker_settings {
        spec = spec.broker_setting(key, value);
    }
    let cluster = Cluster::start(&spec).await?;
    println!(
        "{:>7} {:>8} {:>12} {:>11} {:>11} {:>11} {:>11} {:>11} {:>11} {:>11}",
        "records",
        "acks",
        "connections",
        "requests/s",
        "records/s",
        "MB/s",
        "% of parse",
        "p50 ms",
        "p99 ms",
        "CPU s/GB"
    );
    for row in Row::all() {
        if options.wants_row(row) {
            one_row(options, report, &cluster, row)
                .await
                .with_context(|| format!("row {row}\n{}", cluster.report()))?;
        }
    }
    Ok(())
}

async fn one_row(
    options: &Options,
    report: &mut Report,
    cluster: &Cluster,
    row: Row,
) -> Result<()> {
    let baseline = Baseline::start().await?;
    let (mut rates, mut ratios, mut p50s, mut p99s, mut costs) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for number in 0..options.rounds() {
        // In turns, so that a slow moment of the machine meets both.
        let address = std::slice::from_ref(&baseline.address);
        let parse_only = load(options, address, NO_TOPIC, row).await?;
        let (round, cpu) = cluster_round(options, cluster, row, number).await?;
        let bytes_per_second = round.requests_per_second * value_bytes(row);
        rates.push(round.requests_per_second);
        ratios.push(round.requests_per_second / parse_only.requests_per_second);
        p50s.push(round.p50_ms);
        p99s.push(round.p99_ms);
        costs.push(cpu / bytes_per_second * 1e9);
    }
    let rate = median(&rates);
    let figures = [
        ("requests", rate, "/s"),
        ("records", rate * record_count(row), "/s"),
        ("values", rate * value_bytes(row) / 1e6, "MB/s"),
        ("of what parsing alone does", median(&ratios) * 100.0, "%"),
        ("p50", median(&p50s), "ms"),
        ("p99", median(&p99s), "ms"),
        ("processor time of all six", median(&costs), "s/GB"),
    ];
    let Row {
        records,
        acks,
        connections,
    } = row;
    let mut line = format!("{records:>7} {acks:>8} {connections:>12}");
    for (what, value, unit) in figures {
        let what = format!("{records} x 1 KiB, acks={acks}, {connections} connections: {what}");
        report.keep(PART, what, value, unit);
        line.push_str(&format!(" {value:>11.2}"));
    }
    println!("{line}");
    Ok(())
}

/// One round against the cluster, and the processor time of all six for each second of it. The
/// round's topic is deleted after it: a disk need only have room for one round.
async fn cluster_round(
    options: &Options,
    cluster: &Cluster,
    row: Row,
    number: usize,
) -> Result<(Round, f64)> {
    let Row {
        records,
        acks,
        connections,
    } = row;
    let topic = format!("load-{records}-{acks}-{connections}-{number}");
    let admin = Admin::new(Rest::new(
        cluster.http().clone(),
        cluster.broker_addresses(),
        1,
    )?);
    let partitions = u32::try_from(PARTITIONS)?;
    let configs = [("file.delete.delay.ms", "0")];
    admin.create_topic(&topic, partitions, 3, &configs).await?;
    let (began, before) = (Instant::now(), cpu_seconds(cluster)?);
    let round = load(options, &cluster.broker_addresses(), &topic, row).await?;
    let cpu = (cpu_seconds(cluster)? - before) / began.elapsed().as_secs_f64();
    let deleted = admin.try_delete(&admin.cluster_id().await?, &topic).await?;
    anyhow::ensure!(
        deleted.status == 204,
        "deleting {topic} was answered {deleted}"
    );
    Ok((round, cpu))
}

fn record_count(row: Row) -> f64 {
    u32::try_from(row.records).map_or(0.0, f64::from)
}

/// Bytes of values in one request of a row.
fn value_bytes(row: Row) -> f64 {
    record_count(row) * u32::try_from(VALUE_BYTES).map_or(0.0, f64::from)
}

/// All connections of a row at work, spread over `servers` and partitions.
async fn load(options: &Options, servers: &[String], topic: &str, row: Row) -> Result<Round> {
    let requests: Arc<[Vec<u8>]> = (0..PARTITIONS)
        .map(|partition| request(row, topic, partition))
        .collect();
    let start = Instant::now() + options.warm_up();
    let end = start + options.row_length();
    let mut connections = JoinSet::new();
    for (place, server) in (0..row.connections).zip(servers.iter().cycle()) {
        connections.spawn(one_connection(
            server.clone(),
            requests.clone(),
            place,
            start,
            end,
        ));
    }
    let mut latencies = histogram()?;
    while let Some(ended) = connections.join_next().await {
        latencies.add(ended.context("a connection panicked")??)?;
    }
    let micros = |quantile| Duration::from_micros(latencies.value_at_quantile(quantile));
    let requests = u32::try_from(latencies.len()).map_or(f64::MAX, f64::from);
    Ok(Round {
        requests_per_second: requests / options.row_length().as_secs_f64(),
        p50_ms: super::statistics::ms(micros(0.5)),
        p99_ms: super::statistics::ms(micros(0.99)),
    })
}

async fn one_connection(
    server: String,
    requests: Arc<[Vec<u8>]>,
    place: usize,
    start: Instant,
    end: Instant,
) -> Result<Histogram<u64>> {
    let mut connection = Connection::open(&server).await?;
    let mut latencies = histogram()?;
    for request in requests.iter().cycle().skip(place) {
        let sent = Instant::now();
        if sent >= end {
            break;
        }
        connection.exchange(request).await?;
        let done = Instant::now();
        if sent >= start && done <= end {
            let micros = u64::try_from((done - sent).as_micros()).unwrap_or(u64::MAX);
            latencies.saturating_record(micros);
        }
    }
    Ok(latencies)
}

/// Microseconds up to a minute, three digits exact.
fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 60_000_000, 3)?)
}

/// The bytes of one request: `records` different JSON values of 1 KiB, half of it noise.
fn request(row: Row, topic: &str, partition: usize) -> Vec<u8> {
    let records: Vec<String> = (0..row.records)
        .map(|number| record(number + partition))
        .collect();
    let body = format!("{{\"records\":[{}]}}", records.join(","));
    format!(
        "POST /topics/{topic}/partitions/{partition} HTTP/1.1\r\nhost: bench\r\ncontent-type: \
         application/vnd.kafka.json.v2+json\r\nkafka-acks: {}\r\ncontent-length: {}\r\n\r\n{body}",
        row.acks,
        body.len()
    )
    .into_bytes()
}

fn record(number: usize) -> String {
    let mut noise = String::with_capacity(VALUE_BYTES / 2);
    while noise.len() < VALUE_BYTES / 2 {
        noise.push(char::from(rand::random_range(b'a'..=b'z')));
    }
    let head = format!("{{\"number\":1{number:07},\"noise\":\"{noise}\",\"text\":\"");
    let fill = "x".repeat(VALUE_BYTES.saturating_sub(head.len() + 2));
    format!("{{\"value\":{head}{fill}\"}}}}")
}
