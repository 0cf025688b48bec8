//! Requests that are good, and nobody is there to serve them: an answer in time, and a true one.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use trimaran_api::controller::BrokerState;
use trimaran_tests::client::{Admin, Rest};
use trimaran_tests::cluster::{Cluster, ClusterSpec, NodeName, scenario};
use trimaran_tests::workload::{Workload, WorkloadPlan};
use trimaran_types::PartitionIndex;

use super::case::Case;
use super::request::{JSON_V2, Request};

const PATIENCE: Duration = Duration::from_secs(60);
const GOOD_BODY: &str = r#"{"records":[{"value":1}]}"#;
const UNAVAILABLE: (u16, u64) = (503, 50302);

/// A short request time-out, so that a request for which nobody is there is answered soon.
fn impatient(controllers: u32, brokers: u32) -> ClusterSpec {
    ClusterSpec::new(controllers, brokers).broker_setting("request.timeout.ms", 1_500)
}

fn produce(topic: &str, partition: u32) -> Request {
    Request::post(
        &format!("/topics/{topic}/partitions/{partition}"),
        JSON_V2,
        GOOD_BODY,
    )
}

#[test]
fn without_enough_replicas_in_sync_a_write_is_refused_and_not_written() {
    scenario(&impatient(1, 2), async |cluster: &mut Cluster| {
        let rest = Rest::new(cluster.http().clone(), cluster.broker_addresses(), 1)?;
        let admin = Admin::new(rest.clone());
        admin
            .create_topic("pair", 1, 2, &[("min.insync.replicas", "2")])
            .await?;
        let leader = admin
            .partition("pair", 0)
            .await?
            .leader
            .context("no leader")?
            .0;
        let follower = 3 - leader;
        cluster.kill(NodeName::Broker(follower))?;
        admin_at(cluster, leader)?
            .wait_for_isr_without("pair", follower, PATIENCE)
            .await?;
        let address = cluster.node(NodeName::Broker(leader))?.address().to_owned();
        let refused = Case::refused_write(
            "too few in-sync replicas",
            produce("pair", 0),
            UNAVAILABLE,
            "min.insync.replicas",
        );
        refused.run(&address).await.context(refused.name)?;
        // Nothing below or above the high watermark: the partition takes its next record at 0.
        cluster.restart(NodeName::Broker(follower)).await?;
        admin.wait_for_full_isr("pair", PATIENCE).await?;
        first_offset_is(&rest, "pair", 0).await
    });
}

#[test]
fn without_a_leader_a_write_is_refused_and_not_written() {
    scenario(&impatient(1, 2), async |cluster: &mut Cluster| {
        let rest = Rest::new(cluster.http().clone(), cluster.broker_addresses(), 1)?;
        let admin = Admin::new(rest.clone());
        admin.create_topic("alone", 2, 1, &[]).await?;
        let gone = admin
            .partition("alone", 0)
            .await?
            .leader
            .context("no leader")?
            .0;
        let here = 3 - gone;
        cluster.kill(NodeName::Broker(gone))?;
        let view = admin_at(cluster, here)?;
        view.wait_for_broker(gone, BrokerState::Fenced, PATIENCE)
            .await?;
        let address = cluster.node(NodeName::Broker(here))?.address().to_owned();
        let refused = Case::refused_write("no leader", produce("alone", 0), UNAVAILABLE, "leader");
        refused.run(&address).await.context(refused.name)?;
        let read =
            Request::get("/topics/alone/partitions/0/records?offset=0&timeout=0&max_bytes=9");
        let refused = Case::refused_for_now("no leader to read", read, UNAVAILABLE, "leader");
        refused.run(&address).await.context(refused.name)?;
        cluster.restart(NodeName::Broker(gone)).await?;
        first_offset_is(&rest, "alone", 0).await
    });
}

#[test]
fn without_a_quorum_changes_are_refused_and_records_still_flow() {
    scenario(
        &ClusterSpec::three_and_three(),
        async |cluster: &mut Cluster| {
            let mut workload = Workload::start(cluster, WorkloadPlan::new("flow")).await?;
            let cluster_id = workload.admin().cluster_id().await?;
            let active = workload.admin().active_controller().await?;
            cluster.kill(NodeName::Controller(active))?;
            // The two that are left elect one; when it is gone too, the last one surely leads nothing.
            let next = workload
                .admin()
                .active_controller_other_than(active, PATIENCE)
                .await?;
            cluster.kill(NodeName::Controller(next))?;
            workload.wait_for_progress(20).await?;
            let path = format!("/v3/clusters/{cluster_id}/topics");
            let create = Request::post(&path, "application/json", r#"{"topic_name":"new"}"#);
            let refused = Case::refused_for_now("no quorum", create, UNAVAILABLE, "controller");
            // One broker is enough: it asks every controller, and takes its time.
            refused
                .run(workload.rest().any_broker())
                .await
                .context(refused.name)?;
            workload.wait_for_progress(20).await?;
            cluster.restart_all().await?;
            let topics = workload.rest().get("/topics").await?;
            ensure!(
                !topics.body.to_string().contains("\"new\""),
                "a refused topic exists: {topics}"
            );
            let (verdict, _) = workload.finish().await?;
            ensure!(verdict.unknown == 0, "records stopped flowing: {verdict}");
            Ok(())
        },
    );
}

/// The controllers wait for each other no longer than the caller waits for them, so that a short time
/// limit does not turn "nobody can decide" into "nobody knows".
#[test]
fn without_a_quorum_a_short_time_limit_leaves_no_doubt() {
    let spec = ClusterSpec::new(3, 1).broker_setting("request.timeout.ms", 1_000);
    scenario(&spec, async |cluster: &mut Cluster| {
        let rest = Rest::new(cluster.http().clone(), cluster.broker_addresses(), 1)?;
        let admin = Admin::new(rest.clone());
        let cluster_id = admin.cluster_id().await?;
        let active = admin.active_controller().await?;
        cluster.kill(NodeName::Controller(active))?;
        let next = admin.active_controller_other_than(active, PATIENCE).await?;
        cluster.kill(NodeName::Controller(next))?;
        let path = format!("/v3/clusters/{cluster_id}/topics");
        for name in ["one", "two", "three"] {
            let body = format!(r#"{{"topic_name":"{name}"}}"#);
            let create = Request::post(&path, "application/json", &body);
            let refused = Case::refused_write("no quorum", create, UNAVAILABLE, "controller");
            refused.run(rest.any_broker()).await.context(name)?;
        }
        Ok(())
    });
}

fn admin_at(cluster: &Cluster, broker: u32) -> Result<Admin> {
    let address = cluster.node(NodeName::Broker(broker))?.address().to_owned();
    Ok(Admin::new(Rest::new(
        cluster.http().clone(),
        vec![address],
        1,
    )?))
}

/// Writes one record, which must get offset 0: whatever was refused before left nothing behind.
async fn first_offset_is(rest: &Rest, topic: &str, expected: i64) -> Result<()> {
    use trimaran_tests::client::{ProduceRequest, RecordFate};
    use trimaran_tests::history::ValueId;

    trimaran_tests::until("a record to be taken", PATIENCE, async || {
        let request = ProduceRequest {
            topic,
            partition: PartitionIndex(0),
            values: &[ValueId {
                producer: 0,
                sequence: 0,
            }],
            padding_bytes: 0,
            patience: PATIENCE,
        };
        match &request.send(rest).await[..] {
            [RecordFate::Acked(offset)] => {
                ensure!(
                    offset.0 == expected,
                    "it went to {offset}, not to {expected}"
                );
                Ok(Some(()))
            }
            [
                RecordFate::Refused {
                    retriable: true, ..
                },
            ] => Ok(None),
            other => anyhow::bail!("{other:?}"),
        }
    })
    .await
}
