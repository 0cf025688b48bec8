//! The table: all rows that need nothing but a healthy cluster.

use anyhow::{Result, bail, ensure};
use trimaran_tests::client::{Admin, ProduceRequest, RecordFate, Rest, end_offset, hang_up_after};
use trimaran_tests::cluster::{Cluster, ClusterSpec, scenario};
use trimaran_tests::history::ValueId;
use trimaran_types::PartitionIndex;

use super::case::Case;
use super::{broken_http, json_bodies, node_only_paths, paths_and_names, sizes, topic_admin};

/// The topic that every row is aimed at.
pub(crate) const TOPIC: &str = "table";

const PARTITIONS: u32 = 2;

#[test]
fn every_bad_request_gets_its_answer_and_writes_nothing() {
    scenario(&ClusterSpec::new(1, 2), run);
}

async fn run(cluster: &mut Cluster) -> Result<()> {
    let rest = Rest::new(cluster.http().clone(), cluster.broker_addresses(), 1)?;
    let admin = Admin::new(rest.clone());
    admin.create_topic(TOPIC, PARTITIONS, 2, &[]).await?;
    write_one(&rest).await?;
    let cluster_id = admin.cluster_id().await?;
    let before = ends(&rest).await?;
    let cases = [
        json_bodies::cases(),
        sizes::cases(),
        paths_and_names::cases(&cluster_id),
        topic_admin::cases(&cluster_id),
        node_only_paths::cases(),
        broken_http::cases(),
    ];
    let mut failures = Vec::new();
    for case in cases.iter().flatten() {
        for broker in rest.brokers() {
            if let Err(error) = run_one(case, broker, &rest, &before).await {
                failures.push(format!("{} at {broker}: {error:#}", case.name));
            }
        }
    }
    for (request, broker) in pairs(&broken_http::broken_off(), rest.brokers()) {
        let pieces: Vec<&[u8]> = request.pieces.iter().map(Vec::as_slice).collect();
        hang_up_after(broker, &pieces).await?;
    }
    // The brokers survived all of it, and nothing lies before the next good record.
    let offset = write_one(&rest).await?;
    ensure!(
        offset == before[0],
        "the next record went to {offset}, not to {}",
        before[0]
    );
    cluster.check_health()?;
    if failures.is_empty() {
        return Ok(());
    }
    bail!(
        "{} rows failed:\n  {}",
        failures.len(),
        failures.join("\n  ")
    )
}

async fn run_one(case: &Case, broker: &str, rest: &Rest, before: &[i64]) -> Result<()> {
    case.run(broker).await?;
    let after = ends(rest).await?;
    ensure!(
        after == before,
        "partitions ended at {before:?} and now end at {after:?}"
    );
    Ok(())
}

async fn ends(rest: &Rest) -> Result<Vec<i64>> {
    let mut ends = Vec::new();
    for partition in (0..PARTITIONS).map(PartitionIndex) {
        let offsets = end_offset(rest, rest.any_broker(), TOPIC, partition).await?;
        ends.push(offsets.end_offset.0);
    }
    Ok(ends)
}

/// A good request, in the same words as the bad ones, so that these are refused for what they say.
async fn write_one(rest: &Rest) -> Result<i64> {
    let request = ProduceRequest {
        topic: TOPIC,
        partition: PartitionIndex(0),
        values: &[ValueId {
            producer: 0,
            sequence: 0,
        }],
        padding_bytes: 0,
        patience: std::time::Duration::from_secs(20),
    };
    let fates = request.send(rest).await;
    match fates[..] {
        [RecordFate::Acked(offset)] => Ok(offset.0),
        _ => bail!("a good request was answered {fates:?}"),
    }
}

/// Each of these with each of those.
fn pairs<'a, A, B>(these: &'a [A], those: &'a [B]) -> impl Iterator<Item = (&'a A, &'a B)> {
    these
        .iter()
        .flat_map(|this| those.iter().map(move |that| (this, that)))
}
