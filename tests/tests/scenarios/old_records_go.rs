//! Retention and the deletion of records, as clients see them: a clean refusal that names the new
//! start, the same on every later leader.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use trimaran_tests::client::{Admin, Answer, Rest};
use trimaran_tests::cluster::{Cluster, ClusterSpec, NodeName, scenario};
use trimaran_tests::until;

const PATIENCE: Duration = Duration::from_secs(60);
const TOPIC: &str = "old";
const REQUESTS: usize = 40;
const RECORDS: usize = 10;

#[test]
fn old_segments_and_deleted_records_are_gone_for_every_consumer() {
    let spec = ClusterSpec::three_and_three()
        .broker_setting("log.initial.task.delay.ms", 0)
        .broker_setting("log.retention.check.interval.ms", 100);
    scenario(&spec, run);
}

async fn run(cluster: &mut Cluster) -> Result<()> {
    let rest = Rest::new(cluster.http().clone(), cluster.broker_addresses(), 1)?;
    let admin = Admin::new(rest.clone());
    let configs = [
        ("segment.bytes", "8192"),
        ("retention.bytes", "32768"),
        ("file.delete.delay.ms", "0"),
    ];
    admin.create_topic(TOPIC, 1, 3, &configs).await?;
    for number in 0..REQUESTS {
        let records: Vec<Value> = (0..RECORDS)
            .map(|_| json!({ "value": format!("{number:0500}") }))
            .collect();
        let body = json!({ "records": records });
        let answer = rest.post(&format!("/topics/{TOPIC}"), &body).await?;
        ensure!(answer.is_success(), "{answer}");
    }
    let end = i64::try_from(REQUESTS * RECORDS)?;

    // By size: the start moves on every replica, and its files go.
    let start = until("old segments to go", PATIENCE, async || {
        let (start, found_end) = bounds(&rest).await?;
        ensure!(found_end == end, "the end is {found_end}");
        Ok((start > 0).then_some(start))
    })
    .await?;
    refused_below(&rest, start).await?;
    for broker in 1..=3 {
        let folder = cluster.node(NodeName::Broker(broker))?.data_path();
        let folder = folder.join(format!("logs/{TOPIC}-0"));
        until("the files to go", PATIENCE, async || {
            let mut bytes = 0;
            for entry in std::fs::read_dir(&folder)? {
                bytes += entry?.metadata()?.len();
            }
            Ok((bytes < 64 * 1024).then_some(()))
        })
        .await?;
    }

    // By a client: inside of a batch, and never beyond what is committed.
    let (start, _) = bounds(&rest).await?;
    let cluster_id = admin.cluster_id().await?;
    let path = format!("/v3/clusters/{cluster_id}/topics/{TOPIC}/partitions/0:truncate");
    let beyond = rest
        .post(&path, &json!({ "before_offset": end + 1 }))
        .await?;
    ensure!(beyond.status == 400, "{beyond}");
    ensure!(
        beyond.body["kafka_error"] == "OFFSET_OUT_OF_RANGE",
        "{beyond}"
    );
    let before = start.max(end - 15) + 3;
    let trimmed = rest
        .post(&path, &json!({ "before_offset": before }))
        .await?;
    ensure!(trimmed.is_success(), "{trimmed}");
    ensure!(trimmed.body["log_start_offset"] == before, "{trimmed}");
    refused_below(&rest, before).await?;

    on_the_next_leader(cluster, &rest, &admin, (before, end)).await
}

async fn on_the_next_leader(
    cluster: &mut Cluster,
    rest: &Rest,
    admin: &Admin,
    (before, end): (i64, i64),
) -> Result<()> {
    let leader = admin.partition(TOPIC, 0).await?.leader;
    let leader = leader.map_or(1, |leader| leader.0);
    cluster.kill(NodeName::Broker(leader))?;
    until("another leader", PATIENCE, async || {
        let now = admin.partition(TOPIC, 0).await?.leader;
        Ok(now.filter(|now| now.0 != leader))
    })
    .await?;
    until("the new leader to answer", PATIENCE, async || {
        let found = bounds(rest).await?;
        ensure!(found == (before, end), "{found:?}");
        Ok(Some(()))
    })
    .await?;
    refused_below(rest, before).await?;
    cluster.restart(NodeName::Broker(leader)).await?;
    admin.wait_for_full_isr(TOPIC, PATIENCE).await?;
    Ok(())
}

async fn bounds(rest: &Rest) -> Result<(i64, i64)> {
    let answer = rest
        .get(&format!("/topics/{TOPIC}/partitions/0/offsets"))
        .await?;
    let number = |name: &str| answer.body[name].as_i64();
    match (number("beginning_offset"), number("end_offset")) {
        (Some(start), Some(end)) => Ok((start, end)),
        _ => anyhow::bail!("{answer}"),
    }
}

async fn read(rest: &Rest, offset: i64) -> Result<Answer> {
    rest.get(&format!(
        "/topics/{TOPIC}/partitions/0/records?offset={offset}&timeout=0"
    ))
    .await
}

/// What lies before `start` is refused and says where to begin; what begins there is whole.
async fn refused_below(rest: &Rest, start: i64) -> Result<()> {
    for offset in [0, start - 1] {
        let refused = read(rest, offset).await?;
        ensure!(refused.status == 400, "offset {offset}: {refused}");
        ensure!(
            refused.error_code() == Some(40002),
            "offset {offset}: {refused}"
        );
        let named = refused.body["details"]["log_start"].as_i64();
        ensure!(named >= Some(start), "offset {offset}: {refused}");
    }
    let (now, _) = bounds(rest).await?;
    let first = read(rest, now).await?;
    ensure!(first.is_success(), "{first}");
    ensure!(first.body[0]["offset"] == now, "{first}");
    Ok(())
}
