//! What a follower tells of its log start, and when.

use tokio::sync::oneshot;
use trimaran_types::{LeaderEpoch, Offset};

use super::super::*;
use super::fixture::{Fixture, PEER, assignment, batch, gated_fixture};

/// A follower with one record.
async fn follower(fixture: &Fixture) {
    let follows = assignment(AssignedRole::Follower { leader: PEER }, &[PEER], 1, 1);
    assert!(fixture.handle.assign(follows).await);
    let copied = batch(&["a"]).stamped(Offset(0), LeaderEpoch(1));
    let next = answer(fixture, copied.into_bytes(), 0).await;
    assert_eq!(next.await.unwrap().position.unwrap().log_start, Offset(0));
}

/// The leader's answer, with its log start; tells how the fetcher is to go on.
async fn answer(
    fixture: &Fixture,
    records: bytes::Bytes,
    log_start: i64,
) -> oneshot::Receiver<FollowerNext> {
    let asked = fixture.position().await;
    let mut result = fixture.result(0, records);
    result.log_start = Offset(log_start);
    let (reply, next) = oneshot::channel();
    let fetched = Fetched {
        asked,
        result,
        reply,
    };
    assert!(fixture.handle.send(Event::Fetched(Box::new(fetched))).await);
    next
}

#[tokio::test]
async fn a_follower_tells_its_start_when_the_disk_has_it() {
    let (fixture, disk) = gated_fixture();
    follower(&fixture).await;
    disk.close();
    let mut next = answer(&fixture, bytes::Bytes::new(), 1).await;
    // Nobody can read the record any more, here either.
    fixture.until(|status| status.log_start == Offset(1)).await;
    assert!(next.try_recv().is_err(), "the disk has the old start");
    disk.open();
    let told = next.await.unwrap().position.unwrap();
    assert_eq!(told.log_start, Offset(1));
    let checkpoint = fixture.folder.path().join("log-start-offset-checkpoint");
    let text = std::fs::read_to_string(checkpoint).unwrap();
    assert!(text.contains("flights 0 1\n"), "{text}");
}

#[tokio::test]
async fn records_are_fetched_on_while_a_start_is_written() {
    let (fixture, disk) = gated_fixture();
    let mut follows = assignment(AssignedRole::Follower { leader: PEER }, &[PEER], 1, 1);
    // The gate holds every sync, and none of these records.
    follows.settings.log.flush_messages = u64::MAX;
    assert!(fixture.handle.assign(follows).await);
    let copied = |offset| batch(&["a"]).stamped(Offset(offset), LeaderEpoch(1));
    let next = answer(&fixture, copied(0).into_bytes(), 0).await;
    assert_eq!(next.await.unwrap().position.unwrap().log_start, Offset(0));
    disk.close();
    let next = answer(&fixture, copied(1).into_bytes(), 1).await;
    let position = next.await.unwrap().position.unwrap();
    assert_eq!(position.fetch_offset, Offset(2));
    assert_eq!(position.log_start, Offset(0), "the disk has the old start");
    assert_eq!(fixture.handle.status().log_start, Offset(1));
    disk.open();
    let next = answer(&fixture, bytes::Bytes::new(), 1).await;
    assert_eq!(next.await.unwrap().position.unwrap().log_start, Offset(1));
}

#[tokio::test(start_paused = true)]
async fn a_start_that_cannot_be_written_is_not_told_and_holds_up_nobody() {
    let (fixture, disk) = gated_fixture();
    follower(&fixture).await;
    disk.fill(true);
    for _ in 0..2 {
        let next = answer(&fixture, bytes::Bytes::new(), 1).await;
        let next = next.await.unwrap();
        assert_eq!(next.position.unwrap().log_start, Offset(0));
        assert_eq!(fixture.handle.status().log_start, Offset(1));
    }
    disk.fill(false);
    tokio::time::advance(std::time::Duration::from_secs(6)).await;
    let next = answer(&fixture, bytes::Bytes::new(), 1).await;
    assert_eq!(next.await.unwrap().position.unwrap().log_start, Offset(1));
}

#[tokio::test]
async fn a_leader_that_becomes_a_follower_has_its_start_written_first() {
    let (fixture, disk) = gated_fixture();
    follower(&fixture).await;
    let leads = assignment(AssignedRole::Leader, &[super::fixture::OWN], 2, 1);
    assert!(fixture.handle.assign(leads).await);
    fixture
        .until(|status| status.role == PartitionRole::Leader && status.high_watermark == Offset(1))
        .await;
    let long = std::time::Duration::from_secs(20);
    assert_eq!(
        fixture.handle.trim(Offset(1), long).await.unwrap(),
        Offset(1)
    );
    disk.close();
    let follows = assignment(AssignedRole::Follower { leader: PEER }, &[PEER], 3, 1);
    assert!(fixture.handle.assign(follows).await);
    let (reply, mut next) = oneshot::channel();
    assert!(fixture.handle.send(Event::Where(reply)).await);
    fixture
        .until(|status| status.role == PartitionRole::Follower)
        .await;
    assert!(next.try_recv().is_err());
    disk.open();
    assert_eq!(next.await.unwrap().position.unwrap().log_start, Offset(1));
}
