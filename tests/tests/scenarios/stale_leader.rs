//! SIGSTOP to a leader, and the first questions that it is asked when it wakes: the end that it tells
//! never lies behind what was acknowledged meanwhile.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use trimaran_tests::client::{Admin, ProduceRequest, RecordFate, Rest};
use trimaran_tests::cluster::{Cluster, ClusterSpec, NodeName, scenario};
use trimaran_tests::history::ValueId;
use trimaran_tests::until;
use trimaran_types::PartitionIndex;

const PATIENCE: Duration = Duration::from_secs(60);
const TOPIC: &str = "stale";
const ROUNDS: u64 = 3;
const QUESTIONS: usize = 50;

#[test]
fn a_leader_that_was_paused_tells_no_end_that_readers_have_passed() {
    scenario(&ClusterSpec::three_and_three(), run);
}

async fn run(cluster: &mut Cluster) -> Result<()> {
    let rest = Rest::new(cluster.http().clone(), cluster.broker_addresses(), 1)?;
    let admin = Admin::new(rest.clone());
    admin.create_topic(TOPIC, 1, 3, &[]).await?;
    let mut end = append(&rest, 0).await? + 1;
    for round in 0..ROUNDS {
        let partition = admin.partition(TOPIC, 0).await?;
        let leader = partition.leader.context("no leader")?.0;
        let name = NodeName::Broker(leader);
        let paused = cluster.node(name)?.address().to_owned();
        let own = Rest::new(cluster.http().clone(), vec![paused.clone()], 1)?;
        ensure!(
            end_of(&own).await? == Some(end),
            "{leader} tells another end"
        );
        cluster.node_mut(name)?.pause()?;
        let mut others = cluster.broker_addresses();
        others.retain(|address| *address != paused);
        let others = Rest::new(cluster.http().clone(), others, 1)?;
        for number in 0..5 {
            end = append(&others, round * 10 + number + 1).await? + 1;
        }
        cluster.node_mut(name)?.resume()?;
        for _ in 0..QUESTIONS {
            let told = end_of(&own).await?;
            ensure!(
                told.is_none_or(|told| told == end),
                "broker {leader} tells the end {told:?}, and {end} were acknowledged"
            );
        }
        admin.wait_for_full_isr(TOPIC, PATIENCE).await?;
    }
    Ok(())
}

/// The end that is told; `None` for a refusal.
async fn end_of(rest: &Rest) -> Result<Option<i64>> {
    let path = format!("/topics/{TOPIC}/partitions/0/offsets");
    let answer = rest.get(&path).await?;
    Ok(answer
        .body
        .get("end_offset")
        .and_then(serde_json::Value::as_i64))
}

/// Appends one value until it is acknowledged; its offset.
async fn append(rest: &Rest, sequence: u64) -> Result<i64> {
    until("an acknowledgement", PATIENCE, async || {
        let request = ProduceRequest {
            topic: TOPIC,
            partition: PartitionIndex(0),
            values: &[ValueId {
                producer: 0,
                sequence,
            }],
            padding_bytes: 0,
            patience: Duration::from_secs(10),
        };
        let fates = request.send(rest).await;
        Ok(fates.iter().find_map(|fate| match fate {
            RecordFate::Acked(offset) => Some(offset.0),
            RecordFate::Refused { .. } | RecordFate::Unknown(_) => None,
        }))
    })
    .await
}
