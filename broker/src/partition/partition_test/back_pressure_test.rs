//! Producers that do not wait for the ISR, and a follower that lags.

use futures_util::FutureExt as _;
use trimaran_api::ApiError;
use trimaran_api::replica::RequiredAcks;
use trimaran_types::Offset;

use super::fixture::{
    Fixture, LAG_BYTES_MAX, LONG, OWN, PEER, SOON, assignment, batch, fixture, kafka,
};
use crate::partition::AssignedRole;

/// More than a follower may be behind.
fn large() -> String {
    "x".repeat(usize::try_from(LAG_BYTES_MAX).unwrap())
}

/// A leader with a follower that has everything but one large record.
async fn lagging() -> Fixture {
    let fixture = fixture();
    fixture.lead(&[OWN, PEER], 0, 1).await;
    fixture.peer_fetches(0, 0, 0).await;
    let first = fixture.append(&[&large()], RequiredAcks::Leader).await;
    assert_eq!(first.unwrap(), Some(Offset(0)));
    fixture
}

fn throttled(refusal: &ApiError) -> bool {
    let nothing_written = kafka(refusal) == (None, Some("nothing-written"));
    refusal.status == 429 && refusal.body.retriable && nothing_written
}

#[tokio::test]
async fn they_wait_until_it_has_come_closer_and_keep_their_order() {
    let fixture = lagging().await;
    let texts: Vec<String> = (0..5).map(|number| number.to_string()).collect();
    let appends = texts.iter().map(|text| async {
        let batches = vec![batch(&[text])];
        let appended = fixture.handle.append(batches, RequiredAcks::Leader, LONG);
        appended.await.unwrap().base_offset.unwrap()
    });
    let mut appends = Box::pin(futures_util::future::join_all(appends));
    // Once this one is answered, the owner has seen those before it.
    assert!(appends.as_mut().now_or_never().is_none());
    let reply = fixture.peer_fetches(0, 0, 0).await;
    assert_eq!(reply.high_watermark, Offset(0));
    assert_eq!(
        fixture.handle.status().log_end,
        Offset(1),
        "nothing is written"
    );
    fixture.peer_fetches(1, 1, 0).await;
    let offsets = appends.await;
    assert_eq!(offsets, (1..=5).map(Offset).collect::<Vec<_>>());
    fixture
        .until(|status| status.flushed_end == Offset(6))
        .await;
    fixture.peer_fetches(6, 6, 0).await;
    let read = fixture.read(1, 0).await.unwrap();
    assert_eq!(read, texts);
}

#[tokio::test]
async fn those_who_wait_for_the_isr_are_not_held() {
    let fixture = lagging().await;
    let held = fixture.append(&["held"], RequiredAcks::Leader);
    let mut held = Box::pin(held);
    assert!(held.as_mut().now_or_never().is_none());
    let waits = fixture.append(&["waits"], RequiredAcks::All);
    let follow = async {
        fixture.until(|status| status.log_end == Offset(2)).await;
        fixture.peer_fetches(2, 2, 0).await;
    };
    let (waited, ()) = tokio::join!(waits, follow);
    assert_eq!(waited.unwrap(), Some(Offset(1)));
    assert_eq!(held.await.unwrap(), Some(Offset(2)));
}

#[tokio::test]
async fn they_are_refused_in_time_with_nothing_written() {
    let fixture = lagging().await;
    let held = fixture
        .handle
        .append(vec![batch(&["a"])], RequiredAcks::Leader, SOON);
    let refusal = held.await.unwrap_err();
    assert!(throttled(&refusal), "{refusal:?}");
    assert_eq!(fixture.handle.status().log_end, Offset(1));
}

#[tokio::test]
async fn a_follower_that_left_the_isr_holds_nobody() {
    let fixture = lagging().await;
    let held = fixture.append(&["a"], RequiredAcks::Leader);
    let leave = async {
        fixture.peer_fetches(0, 0, 0).await;
        let mut alone = assignment(AssignedRole::Leader, &[OWN], 0, 1);
        alone.state.partition_epoch = alone.state.partition_epoch.next();
        assert!(fixture.handle.assign(alone).await);
    };
    let (appended, ()) = tokio::join!(held, leave);
    assert_eq!(appended.unwrap(), Some(Offset(1)));
}

#[tokio::test]
async fn with_the_leadership_goes_what_is_held_and_nothing_of_it_is_written() {
    let fixture = lagging().await;
    let held = fixture.append(&["a"], RequiredAcks::Leader);
    let follow = async {
        fixture.peer_fetches(0, 0, 0).await;
        let follower = AssignedRole::Follower { leader: PEER };
        let follow = assignment(follower, &[OWN, PEER], 1, 1);
        assert!(fixture.handle.assign(follow).await);
    };
    let (appended, ()) = tokio::join!(held, follow);
    let not_leading = Some(trimaran_types::KafkaError::NotLeaderOrFollower);
    let refusal = appended.unwrap_err();
    assert_eq!(kafka(&refusal), (not_leading, Some("nothing-written")));
    assert_eq!(fixture.handle.status().log_end, Offset(1));
}
