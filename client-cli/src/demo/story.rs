//! The demonstration, step by step.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use trimaran_api::controller::{BrokersResponse, QuorumStatus, TopicStatus};
use trimaran_api::paths;
use trimaran_types::TopicName;

use super::check::{Findings, Log, check, check_again};
use super::report::{Measured, Report};
use super::{fresh_topic, lanes, restore};
use crate::connection::Connection;
use crate::dev::{Cluster, NodeName};
use crate::failure::Failure;
use crate::metadata::LogArguments;
use crate::output::{OutputFormat, Printer, grouped, milliseconds};
use crate::produce::{EmbeddedFormat, Outcome, ProduceRecord, Sender};
use crate::topic;
use crate::{broker, quorum};

const TOPIC: &str = "flights";
const PARTITIONS: i64 = 6;
const REPLICAS: i64 = 3;

/// Entries of the metadata log that are shown at the end.
const LOG_ENTRIES: u64 = 12;

/// Rows sent again in one request.
const AGAIN_BATCH: usize = 100;

/// How long those are tried.
const AGAIN_PATIENCE: Duration = Duration::from_secs(60);

/// Runs the whole demonstration on a cluster that is starting.
///
/// # Errors
/// When a step fails, or a promise did not hold.
pub(super) async fn tell(
    cluster: &Cluster,
    rows: &[ProduceRecord],
    printer: &mut Printer,
) -> Result<(), Failure> {
    cluster.ready().await?;
    step(
        printer,
        &format!("six processes are ready after {}", since(cluster.started())),
    )?;
    let connection = Connection::open(cluster.layout().broker_addresses())?;
    let topic = TopicName::new(TOPIC).map_err(|error| Failure::failed(error.to_string()))?;
    let status = fresh_topic::create(&connection, &topic, PARTITIONS, REPLICAS).await?;
    let (victim, led) = leader_of_most(&status)?;
    step(
        printer,
        &format!("topic '{topic}' has {PARTITIONS} partitions, {REPLICAS} replicas each"),
    )?;

    let kill = async |open: usize| -> Result<(Instant, usize), Failure> {
        let killed_at = Instant::now();
        cluster
            .nodes()
            .kill(victim)
            .await
            .map_err(Failure::failed)?;
        Ok((killed_at, open))
    };
    let part = (rows.len() / 3).max(1);
    let (produced, (killed_at, open_at_kill)) =
        lanes::produce(&connection, &topic, rows, part, kill).await?;
    step(
        printer,
        &format!(
            "{victim}, leader of {led} partitions, was killed with SIGKILL while {} of {} records \
             were still to be answered; the rest went through the survivors",
            grouped(open_at_kill),
            grouped(rows.len())
        ),
    )?;

    let back_in_sync = restore::bring_back(cluster, &connection, &topic, victim).await?;
    step(
        printer,
        &format!(
            "{victim} was started again; in every ISR after {}",
            milliseconds(back_in_sync)
        ),
    )?;

    let (first, last) = compare(&connection, &topic, rows, &produced.outcomes).await?;
    let measured = Measured {
        started: cluster.started(),
        killed: victim.to_string(),
        killed_led: led,
        killed_at,
        open_at_kill,
        back_in_sync,
    };
    step(
        printer,
        "everything was read back and compared, record by record",
    )?;
    show(&connection, &topic, printer).await?;
    let report = Report::new(&produced, measured, &first, last);
    printer.result(&report, Report::text)?;
    report.verdict()
}

/// Says how to go on with the cluster.
///
/// # Errors
/// When the output fails.
pub(super) fn leave_running(
    cluster: &Cluster,
    folder: &Path,
    printer: &mut Printer,
) -> Result<(), Failure> {
    if printer.format() == OutputFormat::Json {
        return Ok(());
    }
    let first = cluster
        .layout()
        .broker_addresses()
        .into_iter()
        .next()
        .unwrap_or_default();
    printer.line(&format!(
        "\nThe cluster goes on until Ctrl-C. In another terminal, in this folder:\n  \
         trimaran consume {TOPIC} --count 3 --format json\n  \
         trimaran topic describe {TOPIC}\n  \
         trimaran dev kill broker-1 --data {}\n  \
         curl -s http://{first}/topics/{TOPIC}\n\
         From elsewhere: export TRIMARAN_SERVER={}",
        folder.display(),
        cluster.layout().broker_addresses().join(","),
    ))?;
    printer.flush()
}

fn step(printer: &mut Printer, text: &str) -> Result<(), Failure> {
    if printer.format() == OutputFormat::Table {
        printer.line(&format!("* {text}"))?;
        printer.flush()?;
    }
    Ok(())
}

fn since(start: Instant) -> String {
    milliseconds(start.elapsed())
}

/// The broker that leads most partitions, and how many.
fn leader_of_most(status: &TopicStatus) -> Result<(NodeName, usize), Failure> {
    let mut led: BTreeMap<u32, usize> = BTreeMap::new();
    for leader in status
        .partitions
        .iter()
        .filter_map(|partition| partition.leader)
    {
        *led.entry(leader.0).or_default() += 1;
    }
    led.into_iter()
        .max_by_key(|(broker, count)| (*count, std::cmp::Reverse(*broker)))
        .map(|(broker, count)| (NodeName::broker(broker), count))
        .ok_or_else(|| Failure::failed("no partition has a leader"))
}

/// Reads everything, sends again what is not there, reads on; what the first and last look found.
async fn compare(
    connection: &Connection,
    topic: &TopicName,
    rows: &[ProduceRecord],
    outcomes: &[Outcome],
) -> Result<(Findings, Findings), Failure> {
    let mut log = Log::new();
    restore::read_on(connection, topic, &mut log).await?;
    let first = check(rows, outcomes, &log);
    if first.absent.is_empty() {
        return Ok((first.clone(), first));
    }
    let sender = Sender::new(connection, topic, EmbeddedFormat::Json, AGAIN_PATIENCE);
    let mut outcomes = outcomes.to_vec();
    // An acknowledged record that is absent is lost: sending it again would only hide that.
    let is_open =
        |place: &usize| !matches!(outcomes.get(*place), Some(Outcome::Acknowledged { .. }));
    let again: Vec<usize> = first.absent.iter().copied().filter(is_open).collect();
    for batch in again.chunks(AGAIN_BATCH) {
        let records: Vec<ProduceRecord> = batch
            .iter()
            .filter_map(|place| rows.get(*place))
            .cloned()
            .collect();
        for (place, outcome) in batch.iter().zip(sender.send(&records).await) {
            if let Some(fate) = outcomes.get_mut(*place) {
                *fate = outcome;
            }
        }
    }
    restore::read_on(connection, topic, &mut log).await?;
    let last = check_again(rows, &outcomes, &log);
    Ok((first, last))
}

/// What the cluster says of itself.
async fn show(
    connection: &Connection,
    topic: &TopicName,
    printer: &mut Printer,
) -> Result<(), Failure> {
    if printer.format() == OutputFormat::Json {
        return Ok(());
    }
    let quorum: QuorumStatus = connection.get(paths::QUORUM, &[]).await?;
    let brokers: BrokersResponse = broker::all(connection).await?;
    let status = topic::describe(connection, topic).await?;
    printer.line(&format!("\n$ trimaran quorum\n{}", quorum::text(&quorum)))?;
    printer.line(&format!(
        "\n$ trimaran broker list\n{}",
        broker::text(&brokers)
    ))?;
    printer.line(&format!(
        "\n$ trimaran topic describe {topic}\n{}",
        topic::description(&status)
    ))?;
    printer.line(&format!("\n$ trimaran metadata log --last {LOG_ENTRIES}"))?;
    let tail = LogArguments {
        last: Some(LOG_ENTRIES),
        ..LogArguments::default()
    };
    tail.run(connection, printer).await?;
    printer.line("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_victim_leads_most_and_the_lowest_breaks_a_tie() {
        let partition = |n: u32, leader: Option<u32>| {
            serde_json::json!({
                "partition": n, "leader": leader, "leader_epoch": 0, "partition_epoch": 0,
                "replicas": [1, 2], "isr": [1, 2], "eligible_leader_replicas": [],
                "last_change": null,
            })
        };
        let status = |leaders: &[Option<u32>]| -> TopicStatus {
            let partitions: Vec<_> = (0..)
                .zip(leaders)
                .map(|(n, leader)| partition(n, *leader))
                .collect();
            serde_json::from_value(serde_json::json!({
                "name": "t", "topic_id": "AAAAAAAAAAAAAAAAAAAAAw", "configs": {},
                "partitions": partitions,
            }))
            .unwrap()
        };
        let victim = |leaders: &[Option<u32>]| leader_of_most(&status(leaders)).unwrap();
        assert_eq!(
            victim(&[Some(2), Some(1), Some(2)]),
            (NodeName::broker(2), 2)
        );
        assert_eq!(victim(&[Some(3), Some(2), None]), (NodeName::broker(2), 1));
        assert!(leader_of_most(&status(&[None])).is_err());
    }
}
