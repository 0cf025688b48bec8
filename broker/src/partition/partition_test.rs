//! One owner with a real log; each test plays its peers.

mod append_time_test;
mod back_pressure_test;
mod closing_test;
mod compacted_leader_test;
mod descriptors_test;
mod durable_start_test;
mod epochs_test;
mod fixture;
mod full_disk_test;
mod gated_disk;
mod producers_test;
mod slow_disk_test;

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;
use trimaran_api::replica::{DivergingEpoch, FetchPartitionResult, RequiredAcks};
use trimaran_replication::leader::{FetchAnswer, FollowerFetch};
use trimaran_types::{BrokerEpoch, KafkaError, LeaderEpoch, Offset};

use fixture::{OWN, PEER, SOON, assignment, batch, fixture, fixture_with, gated_fixture, kafka};

use super::*;

#[tokio::test]
async fn a_single_replica_acknowledges_what_is_synced_and_serves_it() {
    let fixture = fixture();
    fixture.lead(&[OWN], 0, 1).await;
    assert_eq!(
        fixture
            .append(&["a", "b"], RequiredAcks::All)
            .await
            .unwrap(),
        Some(Offset(0))
    );
    assert_eq!(
        fixture.append(&["c"], RequiredAcks::Leader).await.unwrap(),
        Some(Offset(2))
    );
    assert_eq!(
        fixture.append(&["d"], RequiredAcks::None).await.unwrap(),
        None
    );
    let status = fixture
        .until(|status| status.high_watermark == Offset(4))
        .await;
    assert_eq!((status.flushed_end, status.log_end), (Offset(4), Offset(4)));
    assert_eq!(fixture.read(0, 0).await.unwrap(), ["a", "b", "c", "d"]);
    assert_eq!(fixture.read(2, 0).await.unwrap(), ["c", "d"]);
    assert_eq!(fixture.read(4, 10).await.unwrap(), [""; 0]);
    let offsets = fixture.handle.offsets().unwrap();
    assert_eq!(
        (offsets.high_watermark, offsets.leader_epoch),
        (Offset(4), LeaderEpoch(0))
    );
    for offset in [5, 900] {
        let refusal = fixture.read(offset, 0).await.unwrap_err();
        assert_eq!(kafka(&refusal).0, Some(KafkaError::OffsetOutOfRange));
        let details = serde_json::json!({ "log_start": 0, "high_watermark": 4 });
        assert_eq!(refusal.body.details, Some(details));
    }
}

#[tokio::test]
async fn many_appends_at_once_keep_their_places() {
    let fixture = fixture();
    fixture.lead(&[OWN], 0, 1).await;
    let texts: Vec<String> = (0..200).map(|number| format!("record {number}")).collect();
    let appends = texts.iter().map(|text| fixture.append_one(text));
    let offsets = futures_util::future::join_all(appends).await;
    let read = fixture.read(0, 0).await.unwrap();
    assert_eq!(read.len(), 200);
    for (text, offset) in texts.iter().zip(offsets) {
        assert_eq!(&read[usize::try_from(offset.0).unwrap()], text);
    }
}

#[tokio::test]
async fn an_append_waits_for_the_followers_disk() {
    let fixture = fixture();
    fixture.lead(&[OWN, PEER], 0, 2).await;
    fixture.peer_fetches(0, 0, 0).await;
    let append = fixture.append(&["a"], RequiredAcks::All);
    let reading = fixture.read(0, 20_000);
    let follow = async {
        fixture
            .until(|status| status.flushed_end == Offset(1))
            .await;
        let reply = fixture.peer_fetches(0, 0, 0).await;
        assert_eq!(
            reply.answer,
            FetchAnswer::Read {
                from: Offset(0),
                before: Offset(1)
            }
        );
        // In the follower's memory only: the high watermark stays.
        assert_eq!(
            fixture.peer_fetches(1, 0, 0).await.high_watermark,
            Offset(0)
        );
        assert_eq!(
            fixture.peer_fetches(1, 1, 0).await.high_watermark,
            Offset(1)
        );
    };
    let (appended, read, ()) = tokio::join!(append, reading, follow);
    assert_eq!(appended.unwrap(), Some(Offset(0)));
    assert_eq!(read.unwrap(), ["a"]);
}

#[tokio::test]
async fn a_timeout_leaves_the_records_and_says_so() {
    let fixture = fixture();
    fixture.lead(&[OWN, PEER], 0, 2).await;
    let batches = vec![batch(&["a"])];
    let refusal = fixture
        .handle
        .append(batches, RequiredAcks::All, SOON)
        .await
        .unwrap_err();
    assert_eq!(
        kafka(&refusal),
        (Some(KafkaError::RequestTimedOut), Some("unknown"))
    );
    assert_eq!(refusal.body.error_code, 50003);
    assert_eq!(fixture.handle.status().log_end, Offset(1));
    assert_eq!(fixture.read(0, 0).await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn too_few_in_sync_means_nothing_is_written() {
    let fixture = fixture();
    fixture.lead(&[OWN], 0, 2).await;
    let refusal = fixture.append(&["a"], RequiredAcks::All).await.unwrap_err();
    assert_eq!(
        kafka(&refusal),
        (Some(KafkaError::NotEnoughReplicas), Some("nothing-written"))
    );
    assert_eq!(fixture.handle.status().log_end, Offset(0));
}

#[tokio::test]
async fn a_raised_minimum_counts_whatever_the_log_can_take_on() {
    let fixture = fixture();
    fixture.lead(&[OWN], 0, 1).await;
    let mut raised = assignment(AssignedRole::Leader, &[OWN], 0, 2);
    raised.settings.log.segment_bytes = 0;
    assert!(fixture.handle.assign(raised).await);
    let refusal = fixture.append(&["a"], RequiredAcks::All).await.unwrap_err();
    assert_eq!(kafka(&refusal).0, Some(KafkaError::NotEnoughReplicas));
}

#[tokio::test]
async fn a_follower_takes_no_appends_and_no_reads() {
    let fixture = fixture();
    let expected = (
        Some(KafkaError::NotLeaderOrFollower),
        Some("nothing-written"),
    );
    let refusal = fixture.append(&["a"], RequiredAcks::All).await.unwrap_err();
    assert_eq!(kafka(&refusal), expected);
    assert_eq!(kafka(&fixture.read(0, 0).await.unwrap_err()), expected);
    assert_eq!(kafka(&fixture.handle.offsets().unwrap_err()), expected);
}

#[tokio::test]
async fn a_deposed_leader_refuses_what_waits_and_cuts_what_the_next_one_lacks() {
    let fixture = fixture();
    fixture.lead(&[OWN, PEER], 0, 2).await;
    fixture.peer_fetches(0, 0, 0).await;
    let append = fixture.append(&["lost"], RequiredAcks::All);
    let reading = fixture.read(0, 20_000);
    let depose = async {
        fixture
            .until(|status| status.flushed_end == Offset(1))
            .await;
        let role = AssignedRole::Follower { leader: PEER };
        assert!(
            fixture
                .handle
                .assign(assignment(role, &[OWN, PEER], 1, 2))
                .await
        );
    };
    let (appended, read, ()) = tokio::join!(append, reading, depose);
    let deposed = Some(KafkaError::NotLeaderOrFollower);
    assert_eq!(kafka(&appended.unwrap_err()), (deposed, Some("unknown")));
    assert_eq!(kafka(&read.unwrap_err()).0, deposed);
    // A fetch of the old epoch, come late, is refused.
    let late = fixture.peer_fetches(1, 1, 0).await.answer;
    assert_eq!(late, FetchAnswer::Refused(KafkaError::NotLeaderOrFollower));

    // The new leader began its epoch at offset 0.
    let asked = fixture.position().await;
    assert_eq!(
        (asked.fetch_offset, asked.last_fetched_epoch),
        (Offset(1), Some(LeaderEpoch(0)))
    );
    let diverging = DivergingEpoch {
        epoch: LeaderEpoch(0),
        end_offset: Offset(0),
    };
    let cut = FetchPartitionResult {
        diverging: Some(diverging),
        ..fixture.result(0, Bytes::new())
    };
    let next = fixture.fetched(asked, cut).await;
    let asked = next.position.unwrap();
    assert_eq!(
        (asked.fetch_offset, asked.last_fetched_epoch, next.pause),
        (Offset(0), None, false)
    );

    let copied = batch(&["kept", "too"])
        .stamped(Offset(0), LeaderEpoch(1))
        .into_bytes();
    let next = fixture
        .fetched(asked, fixture.result(1, copied))
        .await
        .position
        .unwrap();
    assert_eq!(
        (next.fetch_offset, next.flushed_end),
        (Offset(2), Offset(2))
    );
    assert_eq!(next.last_fetched_epoch, Some(LeaderEpoch(1)));
    assert_eq!(fixture.handle.status().high_watermark, Offset(1));

    // It leads again, and a fetcher's late answer changes nothing.
    fixture.lead(&[OWN], 2, 1).await;
    fixture
        .until(|status| status.high_watermark == Offset(2))
        .await;
    assert_eq!(fixture.read(0, 0).await.unwrap(), ["kept", "too"]);
    assert_eq!(
        fixture.append(&["more"], RequiredAcks::All).await.unwrap(),
        Some(Offset(2))
    );
    let late = fixture.fetched(next, fixture.result(9, Bytes::new())).await;
    assert_eq!(late, FollowerNext::NOTHING);
}

#[tokio::test]
async fn bad_bytes_from_a_leader_pause_the_follower() {
    let fixture = fixture();
    let role = AssignedRole::Follower { leader: PEER };
    assert!(fixture.handle.assign(assignment(role, &[PEER], 1, 1)).await);
    let asked = fixture.position().await;
    let whole = batch(&["a"])
        .stamped(Offset(0), LeaderEpoch(1))
        .into_bytes();
    let mut flipped = whole.to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    let newer = batch(&["a"])
        .stamped(Offset(0), LeaderEpoch(2))
        .into_bytes();
    let short = whole.slice(..whole.len() - 1);
    for bad in [Bytes::from(flipped), newer, short, Bytes::from_static(b"x")] {
        let next = fixture.fetched(asked, fixture.result(9, bad)).await;
        assert_eq!(
            next,
            FollowerNext {
                position: Some(asked),
                pause: true
            }
        );
        assert_eq!(fixture.handle.status().high_watermark, Offset(0));
    }
    let next = fixture.fetched(asked, fixture.result(9, whole)).await;
    assert_eq!(next.position.unwrap().fetch_offset, Offset(1));
}

#[tokio::test]
async fn a_leader_without_records_of_its_own_epoch_knows_its_history() {
    let fixture = fixture();
    fixture.lead(&[OWN], 0, 1).await;
    fixture.append_one("a").await;
    fixture.lead(&[OWN], 5, 1).await;
    // The peer has a record of epoch 3, which this leader never saw.
    let fetch = FollowerFetch {
        replica: PEER,
        broker_epoch: BrokerEpoch(2),
        leader_epoch: LeaderEpoch(5),
        fetch_offset: Offset(2),
        flushed_end: Offset(2),
        last_fetched_epoch: Some(LeaderEpoch(3)),
        log_start: Offset(0),
    };
    let (reply, answer) = oneshot::channel();
    let request = FollowerRequest {
        fetch,
        waiter: Arc::default(),
        reply,
    };
    assert!(
        fixture
            .handle
            .send(Event::FollowerFetch(Box::new(request)))
            .await
    );
    let expected = FetchAnswer::Diverging {
        epoch: LeaderEpoch(0),
        end: Offset(1),
    };
    assert_eq!(answer.await.unwrap().answer, expected);
}

#[tokio::test]
async fn what_waits_is_bounded() {
    let fixture = fixture_with(4_096);
    fixture.lead(&[OWN, PEER], 0, 2).await;
    let append = || {
        fixture
            .handle
            .append(vec![batch(&["a"])], RequiredAcks::All, SOON)
    };
    let results = futures_util::future::join_all((0..8).map(|_| append())).await;
    let overloaded: Vec<_> = results
        .iter()
        .filter_map(|result| result.as_ref().err())
        .filter(|refusal| refusal.status.as_u16() == 429)
        .collect();
    assert_eq!(overloaded.len(), 5, "{results:?}");
    assert!(overloaded.iter().all(|refusal| refusal.body.retriable));
    assert_eq!(kafka(overloaded[0]).1, Some("nothing-written"));
    // Everything is given back with the answers.
    let again = append().await.unwrap_err();
    assert_eq!(kafka(&again).0, Some(KafkaError::RequestTimedOut));
}

#[tokio::test]
async fn a_batch_over_the_topics_limit_is_refused_alone() {
    let fixture = fixture();
    let mut small = assignment(AssignedRole::Leader, &[OWN], 0, 1);
    small.settings.log.batch_bytes_max = 200;
    assert!(fixture.handle.assign(small).await);
    fixture
        .until(|status| status.role == PartitionRole::Leader)
        .await;
    let text = "x".repeat(300);
    let texts = [text.as_str()];
    let (large, fits) = tokio::join!(
        fixture.append(&texts, RequiredAcks::All),
        fixture.append(&["a"], RequiredAcks::All),
    );
    let expected = (Some(KafkaError::MessageTooLarge), Some("nothing-written"));
    assert_eq!(kafka(&large.unwrap_err()), expected);
    assert_eq!(fits.unwrap(), Some(Offset(0)));
}

#[tokio::test]
async fn a_batch_larger_than_a_segment_is_refused_alone() {
    let fixture = fixture();
    let mut small = assignment(AssignedRole::Leader, &[OWN], 0, 1);
    small.settings.log.segment_bytes = 1024;
    assert!(fixture.handle.assign(small).await);
    let status = fixture
        .until(|status| status.role == PartitionRole::Leader)
        .await;
    assert_eq!(status.batch_bytes_max, 1024);
    let text = "x".repeat(2_000);
    let texts = [text.as_str()];
    let (large, fits) = tokio::join!(
        fixture.append(&texts, RequiredAcks::All),
        fixture.append(&["a"], RequiredAcks::All),
    );
    let expected = (Some(KafkaError::MessageTooLarge), Some("nothing-written"));
    assert_eq!(kafka(&large.unwrap_err()), expected);
    assert_eq!(fits.unwrap(), Some(Offset(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailbox_that_is_never_empty_holds_up_no_deadline() {
    let fixture = fixture();
    fixture.lead(&[OWN, PEER], 0, 1).await;
    let flood = (0..4).map(|_| {
        let handle = fixture.handle.clone();
        tokio::spawn(async move { while handle.send(Event::Where(oneshot::channel().0)).await {} })
    });
    let flood: Vec<_> = flood.collect();
    let batches = vec![batch(&["a"])];
    let began = tokio::time::Instant::now();
    let refusal = fixture
        .handle
        .append(batches, RequiredAcks::All, SOON)
        .await
        .unwrap_err();
    flood.iter().for_each(tokio::task::JoinHandle::abort);
    assert_eq!(kafka(&refusal).0, Some(KafkaError::RequestTimedOut));
    // The owner has answered, not the caller's patience ended.
    assert!(began.elapsed() < std::time::Duration::from_secs(4));
}

#[tokio::test]
async fn a_failed_directory_ends_the_replica() {
    let fixture = fixture();
    fixture.lead(&[OWN, PEER], 0, 1).await;
    let waiting = fixture.append(&["a"], RequiredAcks::All);
    let fail = async {
        fixture
            .until(|status| status.flushed_end == Offset(1))
            .await;
        let error = std::io::Error::other("the device is gone");
        fixture
            .context
            .latch
            .fail("sync", std::path::Path::new("flights-0"), &error);
        let refusal = fixture.append(&["b"], RequiredAcks::All).await.unwrap_err();
        assert_eq!(kafka(&refusal).0, Some(KafkaError::KafkaStorageError));
    };
    let (waited, ()) = tokio::join!(waiting, fail);
    let failed = (Some(KafkaError::KafkaStorageError), Some("unknown"));
    assert_eq!(kafka(&waited.unwrap_err()), failed);
    assert_eq!(fixture.handle.status().role, PartitionRole::Failed);
    // Metadata does not bring it back.
    assert!(
        fixture
            .handle
            .assign(assignment(AssignedRole::Leader, &[OWN], 9, 1))
            .await
    );
    let refusal = fixture.append(&["c"], RequiredAcks::All).await.unwrap_err();
    assert_eq!(kafka(&refusal).0, Some(KafkaError::KafkaStorageError));
}

#[tokio::test]
async fn a_replica_whose_owner_panicked_has_failed() {
    let (fixture, gate) = gated_fixture();
    fixture.lead(&[OWN], 0, 1).await;
    let mut watch = fixture.handle.watch();
    watch.borrow_and_update();
    gate.panic_at_writes();
    let refusal = fixture.append(&["a"], RequiredAcks::All).await.unwrap_err();
    assert_eq!(kafka(&refusal).1, Some("unknown"));
    while watch.changed().await.is_ok() {}
    assert_eq!(fixture.handle.status().role, PartitionRole::Failed);
    let refusal = fixture.append(&["b"], RequiredAcks::All).await.unwrap_err();
    assert_eq!(kafka(&refusal).0, Some(KafkaError::KafkaStorageError));
}

#[tokio::test]
async fn a_closed_replica_refuses_and_its_log_is_whole() {
    let fixture = fixture();
    fixture.lead(&[OWN], 0, 1).await;
    fixture.append_one("a").await;
    assert_eq!(fixture.handle.close(Closing::Clean).await, Ok(()));
    let refusal = fixture.append(&["b"], RequiredAcks::All).await.unwrap_err();
    assert_eq!(kafka(&refusal).1, Some("nothing-written"));
    assert_eq!(fixture.handle.status().role, PartitionRole::Stopped);
    assert!(fixture.handle.close(Closing::Clean).await.is_err());
}
