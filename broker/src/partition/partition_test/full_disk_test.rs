//! What everybody can see of a replica whose disk is full.

use std::time::Duration;

use tokio::sync::oneshot;
use trimaran_api::replica::RequiredAcks;
use trimaran_types::{LeaderEpoch, Offset};

use super::super::room_gate::REFUSED_FOR_MS;
use super::super::*;
use super::fixture::{OWN, PEER, assignment, batch, gated_fixture};

/// Lets a refusal be forgotten.
async fn a_moment_later() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(REFUSED_FOR_MS)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_full_disk_is_not_tried_with_every_retry() {
    let (fixture, disk) = gated_fixture();
    fixture.lead(&[OWN], 0, 1).await;
    let text = "x".repeat(1_000);
    fixture.append(&["a"], RequiredAcks::Leader).await.unwrap();
    disk.fill(true);
    tokio::time::pause();
    for _ in 0..20 {
        let refusal = fixture.append(&[&text], RequiredAcks::Leader).await;
        assert_eq!(refusal.unwrap_err().status, 507);
    }
    assert_eq!(disk.writes_refused(), 1);
    disk.fill(false);
    // What is much smaller may find room where that did not.
    let appended = fixture.append(&["b"], RequiredAcks::Leader).await;
    assert_eq!(appended.unwrap(), Some(Offset(1)));
    let refusal = fixture.append(&[&text], RequiredAcks::Leader).await;
    assert_eq!(refusal.unwrap_err().status, 507);
    tokio::time::advance(Duration::from_millis(REFUSED_FOR_MS)).await;
    let appended = fixture.append(&[&text], RequiredAcks::Leader).await;
    assert_eq!(appended.unwrap(), Some(Offset(2)));
}

#[tokio::test]
async fn a_leader_without_room_says_so_until_it_takes_an_append() {
    let (fixture, disk) = gated_fixture();
    let leads = assignment(AssignedRole::Leader, &[OWN], 0, 1);
    assert!(fixture.handle.assign(leads).await);
    fixture
        .until(|status| status.role == PartitionRole::Leader)
        .await;
    fixture.append(&["a"], RequiredAcks::Leader).await.unwrap();
    assert!(!fixture.handle.status().lacks_room);
    disk.fill(true);
    let refusal = fixture.append(&["b"], RequiredAcks::Leader).await;
    assert_eq!(refusal.unwrap_err().status, 507);
    let status = fixture.handle.status();
    assert_eq!(
        (status.role, status.lacks_room),
        (PartitionRole::Leader, true)
    );
    disk.fill(false);
    a_moment_later().await;
    let appended = fixture.append(&["c"], RequiredAcks::Leader).await;
    assert_eq!(appended.unwrap(), Some(Offset(1)));
    assert!(!fixture.handle.status().lacks_room);
}

#[tokio::test]
async fn a_follower_without_room_says_so_and_goes_on_when_there_is_some() {
    let (fixture, disk) = gated_fixture();
    let follows = assignment(AssignedRole::Follower { leader: PEER }, &[PEER], 1, 1);
    assert!(fixture.handle.assign(follows).await);
    for is_full in [true, false] {
        disk.fill(is_full);
        a_moment_later().await;
        let asked = fixture.position().await;
        let copied = batch(&["a"]).stamped(Offset(0), LeaderEpoch(1));
        let result = fixture.result(0, copied.into_bytes());
        let (reply, next) = oneshot::channel();
        let fetched = Fetched {
            asked,
            result,
            reply,
        };
        assert!(fixture.handle.send(Event::Fetched(Box::new(fetched))).await);
        assert_eq!(next.await.unwrap().pause, is_full);
        let status = fixture.handle.status();
        assert_eq!(status.role, PartitionRole::Follower);
        assert_eq!(status.lacks_room, is_full);
        assert_eq!(status.log_end, Offset(i64::from(!is_full)));
    }
}

#[tokio::test]
async fn the_mark_outlives_the_role_and_ends_when_there_is_room() {
    let (fixture, disk) = gated_fixture();
    let leads = assignment(AssignedRole::Leader, &[OWN], 0, 1);
    assert!(fixture.handle.assign(leads).await);
    fixture
        .until(|status| status.role == PartitionRole::Leader)
        .await;
    disk.fill(true);
    let refusal = fixture.append(&["a"], RequiredAcks::Leader).await;
    assert_eq!(refusal.unwrap_err().status, 507);
    let follows = assignment(AssignedRole::Follower { leader: PEER }, &[PEER], 1, 1);
    assert!(fixture.handle.assign(follows).await);
    let status = fixture
        .until(|status| status.role == PartitionRole::Follower)
        .await;
    assert!(status.lacks_room, "nothing was appended since");
    assert!(fixture.handle.send(Event::RoomFound).await);
    let status = fixture.until(|status| !status.lacks_room).await;
    assert_eq!(status.role, PartitionRole::Follower);
}
