//! Two brokers' replicas and fetchers in one process, wired by HTTP on loopback; the controllers
//! are played by the test.

mod bad_disk;
mod by_time_test;
mod cleaner_test;
mod damage_test;
mod dirs;
mod ended_test;
mod faults_test;
mod lease_test;
mod pair;
mod quorum;
mod scrub_test;
mod served;
mod streams_test;
mod trim;

use std::time::{Duration, Instant};

use pair::{LAG_BYTES_MAX, ONE, Pair, TWO, batch, read_all};
use trimaran_api::replica::{FetchPartition, ReadQuery, ReplicaFetchRequest, RequiredAcks};
use trimaran_types::{KafkaError, LeaderEpoch, Offset};

use crate::partition::PartitionRole;

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn records_reach_the_follower_before_they_are_acknowledged() {
    let pair = Pair::start().await;
    let id = pair.create("flights", &[ONE, TWO], &[ONE, TWO]).await;
    for number in 0..20_i64 {
        let appended = pair
            .append(ONE, id, &format!("record {number}"))
            .await
            .unwrap();
        assert_eq!(appended.base_offset, Some(Offset(number)));
        // It is on the other broker's disk by now.
        let status = pair.broker(TWO).replicas.get(id).unwrap().status();
        assert!(status.flushed_end > Offset(number), "{status:?}");
        assert_eq!(status.role, PartitionRole::Follower);
    }
    let leader = pair.broker(ONE).replicas.get(id).unwrap();
    let follower = pair.broker(TWO).replicas.get(id).unwrap();
    assert_eq!(read_all(&leader), read_all(&follower));
    // Without more records, the follower hears of the high watermark when the long poll ends.
    pair.until(TWO, id, |status| status.high_watermark == Offset(20))
        .await;
    let query = ReadQuery {
        offset: Offset(0),
        bytes_max: 1 << 20,
        bytes_min: 1,
        wait_ms: 0,
    };
    let refusal = pair
        .broker(TWO)
        .replicas
        .read(id, &query)
        .await
        .unwrap_err();
    assert_eq!(
        refusal.body.kafka_error,
        Some(KafkaError::NotLeaderOrFollower)
    );
    assert_eq!(pair.broker(ONE).replicas.waiting_append_bytes(), 0);
}

#[tokio::test]
async fn a_replica_that_has_caught_up_joins_the_isr() {
    let pair = Pair::start().await;
    // min.insync.replicas is 2: nothing can be acknowledged before broker 2 has joined.
    let id = pair.create("flights", &[ONE, TWO], &[ONE]).await;
    pair.until_isr(id, &[ONE, TWO]).await;
    pair.append(ONE, id, "a").await.unwrap();
}

#[tokio::test]
async fn the_leadership_moves_back_and_forth() {
    let pair = Pair::start().await;
    let id = pair.create("flights", &[ONE, TWO], &[ONE, TWO]).await;
    let mut expected = Vec::new();
    for round in 0..6_i32 {
        let leader = if round % 2 == 0 { ONE } else { TWO };
        pair.elect(id, leader);
        pair.until(leader, id, |status| {
            status.role == PartitionRole::Leader
                && status.leader_epoch == Some(LeaderEpoch(round + 1))
        })
        .await;
        for number in 0..5 {
            let text = format!("round {round} record {number}");
            pair.append(leader, id, &text).await.unwrap();
            expected.push(text);
        }
    }
    let one = read_all(&pair.broker(ONE).replicas.get(id).unwrap());
    let two = read_all(&pair.broker(TWO).replicas.get(id).unwrap());
    assert_eq!(one, expected);
    assert_eq!(one, two);
}

#[tokio::test]
async fn what_a_deposed_leader_wrote_alone_is_cut() {
    let pair = Pair::start().await;
    let id = pair.create("flights", &[ONE, TWO], &[ONE, TWO]).await;
    pair.append(ONE, id, "kept").await.unwrap();
    // Broker 2 hears nothing more of broker 1; it is elected meanwhile.
    pair.broker(TWO).fetchers.forget(id);
    let alone =
        pair.broker(ONE)
            .replicas
            .append(id, vec![batch("lost")], RequiredAcks::Leader, LONG);
    assert_eq!(alone.await.unwrap().base_offset, Some(Offset(1)));
    pair.elect(id, TWO);
    pair.until(TWO, id, |status| status.role == PartitionRole::Leader)
        .await;
    let appended = pair.append(TWO, id, "instead").await.unwrap();
    assert_eq!(appended.base_offset, Some(Offset(1)));
    let one = pair.broker(ONE).replicas.get(id).unwrap();
    assert_eq!(read_all(&one), ["kept", "instead"]);
}

#[tokio::test]
async fn a_dead_follower_is_waited_for_until_the_controllers_shrink_the_isr() {
    let pair = Pair::start_with(Duration::from_millis(300)).await;
    let id = pair.create("flights", &[ONE, TWO], &[ONE, TWO]).await;
    pair.set_config(id, "min.insync.replicas", "1");
    pair.append(ONE, id, "a").await.unwrap();
    pair.broker(TWO).fetchers.stop();
    // Not acknowledged before the lag limit has passed and the shrink is committed.
    let appended = pair.append(ONE, id, "b").await.unwrap();
    assert_eq!(appended.base_offset, Some(Offset(1)));
    pair.until_isr(id, &[ONE]).await;
}

#[tokio::test]
async fn a_follower_that_has_told_of_no_sync_is_made_to_look_at_its_disk() {
    let pair = Pair::start().await;
    let id = pair.create("flights", &[ONE, TWO], &[ONE, TWO]).await;
    pair.append(ONE, id, "a").await.unwrap();
    pair.broker(TWO).fetchers.forget(id);
    let leader = &pair.broker(ONE).replicas;
    let broker_epoch = pair.image().brokers.get(TWO).unwrap().broker_epoch;
    let fetch = |flushed_end| FetchPartition {
        partition: id,
        current_leader_epoch: LeaderEpoch(0),
        fetch_offset: Offset(1),
        flushed_end,
        last_fetched_epoch: Some(LeaderEpoch(0)),
        log_start: Offset(0),
    };
    for (flushed_end, answers) in [(Offset(0), 1), (Offset(1), 0)] {
        let request = ReplicaFetchRequest {
            replica_id: TWO,
            broker_epoch,
            wait_ms: 0,
            bytes_max: 1 << 20,
            partitions: vec![fetch(flushed_end)],
        };
        leader.follower_fetch(&request).await;
        let again = leader.follower_fetch(&request).await;
        assert_eq!(again.partitions.len(), answers, "{flushed_end}: {again:?}");
    }
}

#[tokio::test]
async fn a_dead_follower_stops_nobody_for_longer_than_it_takes_to_leave_the_isr() {
    let lag_time_max = Duration::from_millis(300);
    let pair = Pair::start_with(lag_time_max).await;
    let id = pair.create("flights", &[ONE, TWO], &[ONE, TWO]).await;
    pair.set_config(id, "min.insync.replicas", "1");
    // The follower was level with the leader at this append, so its time begins no earlier.
    let began = Instant::now();
    pair.append(ONE, id, "a").await.unwrap();
    pair.broker(TWO).fetchers.stop();
    // Three times what it may be behind, by a producer that does not wait for it.
    let text = "x".repeat(usize::try_from(LAG_BYTES_MAX / 4).unwrap());
    for number in 1..=12 {
        let replicas = &pair.broker(ONE).replicas;
        let appended = replicas.append(id, vec![batch(&text)], RequiredAcks::Leader, LONG);
        assert_eq!(appended.await.unwrap().base_offset, Some(Offset(number)));
        let status = replicas.get(id).unwrap().status();
        let is_in_isr = pair.image().partition(id).unwrap().isr.contains(&TWO);
        // Its time may be over a moment before the controllers have answered.
        let is_patience_over = began.elapsed() >= lag_time_max - Duration::from_millis(1);
        assert!(
            !is_in_isr || status.log_end <= Offset(6) || is_patience_over,
            "{status:?}"
        );
    }
    pair.until_isr(id, &[ONE]).await;
}

#[tokio::test]
async fn a_deleted_topic_makes_room_for_one_of_the_same_name() {
    let pair = Pair::start().await;
    let first = pair.create("flights", &[ONE, TWO], &[ONE, TWO]).await;
    pair.append(ONE, first, "old").await.unwrap();
    pair.delete(first);
    let second = pair.create("flights", &[ONE, TWO], &[ONE, TWO]).await;
    let appended = pair.append(ONE, second, "new").await.unwrap();
    assert_eq!(appended.base_offset, Some(Offset(0)));
    assert!(pair.broker(ONE).replicas.get(first).is_none());
    let refusal = pair.append(ONE, first, "late").await.unwrap_err();
    assert_eq!(
        refusal.body.kafka_error,
        Some(KafkaError::NotLeaderOrFollower)
    );
}

#[tokio::test]
async fn a_restart_finds_its_logs_and_sets_strays_aside() {
    let mut pair = Pair::start().await;
    let kept = pair.create("flights", &[ONE, TWO], &[ONE, TWO]).await;
    let gone = pair.create("gone", &[ONE, TWO], &[ONE, TWO]).await;
    pair.append(ONE, kept, "a").await.unwrap();
    pair.append(ONE, gone, "b").await.unwrap();
    assert!(pair.stop(ONE).await, "marked as cleanly shut down");
    // While it is down, a topic goes, and another takes its name.
    pair.delete(gone);
    let again = pair.create_unseen("gone", &[ONE, TWO]);
    pair.elect(kept, TWO);
    pair.elect(kept, ONE);
    let report = pair.restart(ONE).await;
    assert_eq!((report.opened, report.strays, report.torn), (1, 1, 0));
    assert_eq!(pair.stray_directories(ONE), 1);
    pair.until(ONE, kept, |status| status.role == PartitionRole::Leader)
        .await;
    assert_eq!(
        read_all(&pair.broker(ONE).replicas.get(kept).unwrap()),
        ["a"]
    );
    let appended = pair.append(ONE, again, "c").await.unwrap();
    assert_eq!(appended.base_offset, Some(Offset(0)));
}

#[tokio::test]
async fn a_crash_is_recovered_and_what_was_acknowledged_is_there() {
    let mut pair = Pair::start().await;
    let id = pair.create("flights", &[ONE, TWO], &[ONE, TWO]).await;
    for number in 0..10 {
        pair.append(ONE, id, &format!("record {number}"))
            .await
            .unwrap();
    }
    pair.crash(ONE).await;
    let report = pair.restart(ONE).await;
    assert_eq!((report.opened, report.strays), (1, 0));
    pair.until(ONE, id, |status| status.high_watermark == Offset(10))
        .await;
    assert_eq!(
        read_all(&pair.broker(ONE).replicas.get(id).unwrap()).len(),
        10
    );
}

#[tokio::test]
async fn idle_partitions_cost_a_fetch_for_each_long_poll() {
    let pair = Pair::start().await;
    let first = pair.create("flights", &[ONE, TWO], &[ONE, TWO]).await;
    pair.append(ONE, first, "a").await.unwrap();
    let before = pair.fetches();
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    // Broker 1 leads; broker 2 asks every 500 ms, and once more for the last high watermark.
    let idle = pair.fetches() - before;
    assert!(idle <= 5, "{idle} fetches in 1.2 s");
}

#[tokio::test]
async fn an_idle_time_longer_than_the_lag_limit_costs_nobody_its_place() {
    let pair = Pair::start_with(Duration::from_millis(1_500)).await;
    let id = pair.create("flights", &[ONE, TWO], &[ONE, TWO]).await;
    pair.append(ONE, id, "a").await.unwrap();
    let before = pair.partition_epoch(id);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    pair.append(ONE, id, "b").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(pair.partition_epoch(id), before, "the isr was changed");
}

#[tokio::test]
async fn a_lost_log_is_not_made_anew_while_others_count_on_it() {
    let mut pair = Pair::start().await;
    let id = pair.create("flights", &[ONE, TWO], &[ONE, TWO]).await;
    pair.append(ONE, id, "a").await.unwrap();
    assert!(pair.stop(ONE).await);
    pair.lose(ONE, "flights-0");
    pair.restart(ONE).await;
    pair.until_out_of_service(ONE, &["flights-0"]).await;
    assert!(!pair.log_dir(ONE, "flights-0").exists());
    assert!(pair.broker(ONE).replicas.get(id).is_none());
    // The other one has all of it: this one may begin anew.
    pair.set_isr(id, TWO, &[TWO]);
    pair.until_isr(id, &[TWO, ONE]).await;
    pair.until_out_of_service(ONE, &[]).await;
    assert_eq!(read_all(&pair.broker(ONE).replicas.get(id).unwrap()), ["a"]);
    // Its old recovery point is forgotten, too.
    pair.crash(ONE).await;
    assert_eq!(pair.restart(ONE).await.opened, 1);
}

#[tokio::test]
async fn a_topic_may_take_the_name_of_one_whose_log_was_lost() {
    let mut pair = Pair::start().await;
    let first = pair.create("flights", &[ONE, TWO], &[ONE, TWO]).await;
    pair.append(ONE, first, "a").await.unwrap();
    assert!(pair.stop(ONE).await);
    pair.lose(ONE, "flights-0");
    pair.restart(ONE).await;
    pair.until_out_of_service(ONE, &["flights-0"]).await;
    pair.delete(first);
    pair.until_out_of_service(ONE, &[]).await;
    let second = pair.create("flights", &[ONE, TWO], &[ONE, TWO]).await;
    let appended = pair.append(ONE, second, "b").await.unwrap();
    assert_eq!(appended.base_offset, Some(Offset(0)));
    assert!(pair.stop(ONE).await);
}
