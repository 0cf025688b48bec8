//! Old records go, by a client's wish and by the topic's settings, on every replica.

use std::sync::Arc;
use std::time::Duration;

use trimaran_api::ApiError;
use trimaran_api::replica::{ReadQuery, RequiredAcks};
use trimaran_types::record_batch::{BatchBuilder, RecordBatch, TimestampType, split};
use trimaran_types::{BrokerId, KafkaError, Offset, Timestamp, TopicIdPartition};

use super::pair::{ONE, Pair, TWO};
use crate::log_upkeep::LogUpkeep;
use crate::partition::PartitionRole;

const LONG: Duration = Duration::from_secs(20);

impl Pair {
    async fn trim(
        &self,
        at: BrokerId,
        id: TopicIdPartition,
        before: i64,
    ) -> Result<Offset, ApiError> {
        let replicas = &self.broker(at).replicas;
        replicas.trim(id, Offset(before), LONG).await
    }

    async fn read_at(
        &self,
        at: BrokerId,
        id: TopicIdPartition,
        offset: i64,
    ) -> Result<Vec<i64>, ApiError> {
        let query = ReadQuery {
            offset: Offset(offset),
            bytes_max: 1 << 20,
            bytes_min: 1,
            wait_ms: 0,
        };
        let records = self.broker(at).replicas.read(id, &query).await?;
        let batches = split(records.bytes).map(|batch| batch.unwrap());
        Ok(batches
            .flat_map(|batch| batch.records().unwrap())
            .map(|record| record.unwrap().offset.0)
            .collect())
    }
}

fn three_records(text: &str) -> RecordBatch {
    let mut builder = BatchBuilder::new(TimestampType::CreateTime);
    for _ in 0..3 {
        let value = Some(text.as_bytes());
        builder.push(Timestamp(1), None, value, &[]).unwrap();
    }
    builder.build().unwrap()
}

/// Batches of three records each.
async fn fill(pair: &Pair, id: TopicIdPartition, batches: usize) {
    for _ in 0..batches {
        let replicas = &pair.broker(ONE).replicas;
        let append = replicas.append(id, vec![three_records("x")], RequiredAcks::All, LONG);
        append.await.unwrap();
    }
}

#[tokio::test]
async fn deleted_records_are_gone_on_every_replica_before_the_answer() {
    let pair = Pair::start().await;
    let id = pair.create("flights", &[ONE, TWO], &[ONE, TWO]).await;
    fill(&pair, id, 4).await;
    // Inside of a batch.
    assert_eq!(pair.trim(ONE, id, 7).await.unwrap(), Offset(7));
    for broker in [ONE, TWO] {
        let status = pair.broker(broker).replicas.get(id).unwrap().status();
        assert_eq!(status.log_start, Offset(7), "{broker}");
    }
    // Again, and less: nothing changes.
    assert_eq!(pair.trim(ONE, id, 7).await.unwrap(), Offset(7));
    assert_eq!(pair.trim(ONE, id, 2).await.unwrap(), Offset(7));
    let refusal = pair.read_at(ONE, id, 6).await.unwrap_err();
    let details = serde_json::json!({ "log_start": 7, "high_watermark": 12 });
    assert_eq!(refusal.body.kafka_error, Some(KafkaError::OffsetOutOfRange));
    assert_eq!(refusal.body.details, Some(details));
    // The whole batch comes, as with Kafka; the interface leaves the first record out.
    assert_eq!(pair.read_at(ONE, id, 7).await.unwrap()[0], 6);
    // The next leader starts there, too.
    pair.elect(id, TWO);
    pair.until(TWO, id, |status| status.role == PartitionRole::Leader)
        .await;
    pair.append(TWO, id, "y").await.unwrap();
    assert_eq!(
        pair.read_at(TWO, id, 6).await.unwrap_err().body.kafka_error,
        Some(KafkaError::OffsetOutOfRange)
    );
    assert_eq!(pair.trim(TWO, id, 13).await.unwrap(), Offset(13));
    pair.append(TWO, id, "z").await.unwrap();
    assert_eq!(pair.read_at(TWO, id, 13).await.unwrap(), [13]);
}

#[tokio::test]
async fn deleted_records_do_not_come_back_with_a_follower_that_loses_power() {
    let mut pair = Pair::start().await;
    let id = pair.create("flights", &[ONE, TWO], &[ONE, TWO]).await;
    fill(&pair, id, 4).await;
    assert_eq!(pair.trim(ONE, id, 7).await.unwrap(), Offset(7));
    let checkpoint = pair.folder(TWO, 0).join("logs/log-start-offset-checkpoint");
    let text = std::fs::read_to_string(checkpoint).unwrap_or_default();
    assert!(text.contains("flights 0 7\n"), "{text:?}");
    pair.crash(TWO).await;
    pair.crash(ONE).await;
    pair.elect(id, TWO);
    pair.restart(TWO).await;
    pair.until(TWO, id, |status| status.role == PartitionRole::Leader)
        .await;
    let status = pair.broker(TWO).replicas.get(id).unwrap().status();
    assert_eq!(status.log_start, Offset(7));
}

#[tokio::test]
async fn what_cannot_be_deleted_is_refused_and_nothing_moves() {
    let pair = Pair::start().await;
    let id = pair.create("flights", &[ONE, TWO], &[ONE, TWO]).await;
    fill(&pair, id, 2).await;
    let kafka = |refused: Result<Offset, ApiError>| refused.unwrap_err().body.kafka_error;
    assert_eq!(
        kafka(pair.trim(ONE, id, 7).await),
        Some(KafkaError::OffsetOutOfRange)
    );
    assert_eq!(
        kafka(pair.trim(TWO, id, 1).await),
        Some(KafkaError::NotLeaderOrFollower)
    );
    pair.set_config(id, "cleanup.policy", "compact");
    let refused = async {
        loop {
            match pair.trim(ONE, id, 0).await {
                Ok(_) => tokio::time::sleep(Duration::from_millis(2)).await,
                refused => return kafka(refused),
            }
        }
    };
    let refused = tokio::time::timeout(LONG, refused).await.unwrap();
    assert_eq!(refused, Some(KafkaError::PolicyViolation));
    assert_eq!(pair.read_at(ONE, id, 0).await.unwrap().len(), 6);
}

#[tokio::test]
async fn a_follower_that_cannot_follow_is_waited_for_only_so_long() {
    let pair = Pair::start().await;
    let id = pair.create("flights", &[ONE, TWO], &[ONE, TWO]).await;
    fill(&pair, id, 2).await;
    pair.broker(TWO).fetchers.stop();
    let replicas = &pair.broker(ONE).replicas;
    let refused = replicas
        .trim(id, Offset(3), Duration::from_millis(50))
        .await;
    assert_eq!(
        refused.unwrap_err().body.kafka_error,
        Some(KafkaError::RequestTimedOut)
    );
    assert!(
        pair.read_at(ONE, id, 2).await.is_err(),
        "gone at the leader"
    );
    // Once the controllers have dropped the follower, nobody is waited for.
    pair.shrink_isr(id, &[ONE]);
    assert_eq!(replicas.trim(id, Offset(4), LONG).await.unwrap(), Offset(4));
}

#[tokio::test]
async fn a_new_replica_begins_inside_a_batch_if_the_leader_does() {
    let mut pair = Pair::start().await;
    let id = pair.create("flights", &[ONE, TWO], &[ONE, TWO]).await;
    fill(&pair, id, 3).await;
    assert_eq!(pair.trim(ONE, id, 4).await.unwrap(), Offset(4));
    pair.set_isr(id, ONE, &[ONE]);
    assert!(pair.stop(TWO).await);
    pair.lose(TWO, "flights-0");
    pair.restart(TWO).await;
    pair.until_isr(id, &[ONE, TWO]).await;
    let bounds = |status: &crate::partition::PartitionStatus| (status.log_start, status.log_end);
    pair.until(TWO, id, |status| bounds(status) == (Offset(4), Offset(9)))
        .await;
    // Its log is whole: it opens again after a crash.
    pair.crash(TWO).await;
    let report = pair.restart(TWO).await;
    assert_eq!((report.opened, report.torn), (1, 0));
    pair.until(TWO, id, |status| bounds(status) == (Offset(4), Offset(9)))
        .await;
}

#[tokio::test]
async fn segments_beyond_the_topic_s_bytes_leave_every_replica() {
    let pair = Pair::start().await;
    let id = pair.create("flights", &[ONE, TWO], &[ONE, TWO]).await;
    for (name, value) in [
        ("segment.bytes", "1024"),
        ("retention.bytes", "2048"),
        ("file.delete.delay.ms", "0"),
    ] {
        pair.set_config(id, name, value);
    }
    fill(&pair, id, 60).await;
    let every = Duration::from_millis(5);
    let tasks = [ONE, TWO].map(|broker| {
        let replicas = Arc::clone(&pair.broker(broker).replicas);
        tokio::spawn(LogUpkeep::new(replicas, every, every).run())
    });
    for broker in [ONE, TWO] {
        pair.until(broker, id, |status| status.log_start > Offset(0))
            .await;
        let folder = pair.log_dir(broker, "flights-0");
        let files = || -> Vec<String> {
            let entries = std::fs::read_dir(&folder).unwrap();
            entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect()
        };
        let settled = async {
            while files().iter().any(|name| name.ends_with(".deleted"))
                || files().iter().filter(|name| name.ends_with(".log")).count() > 4
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let settled = tokio::time::timeout(LONG, settled).await;
        assert!(settled.is_ok(), "{broker}: {:?}", files());
    }
    // The settings reach a running log: nothing may stay now, and the writes go on.
    pair.set_config(id, "retention.bytes", "0");
    let emptied = |status: &crate::partition::PartitionStatus| status.log_start == status.log_end;
    pair.until(ONE, id, emptied).await;
    pair.until(TWO, id, emptied).await;
    let appended = pair.append(ONE, id, "next").await.unwrap();
    assert_eq!(appended.base_offset, Some(Offset(180)));
    tasks.iter().for_each(|task| task.abort());
}
