//! What happens while a sync takes its time.

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::timeout;
use trimaran_api::replica::RequiredAcks;
use trimaran_types::{LeaderEpoch, Offset};

use super::super::*;
use super::fixture::{OWN, PEER, SOON, assignment, batch, gated_fixture};

#[tokio::test]
async fn a_replica_ends_after_its_flush_so_that_its_directory_may_go() {
    for how in [Closing::Discard, Closing::Clean] {
        let (fixture, gate) = gated_fixture();
        // Small segments: the flush that follows a roll syncs the directory by its name.
        let mut small = assignment(AssignedRole::Leader, &[OWN], 0, 1);
        small.settings.log.segment_bytes = 1024;
        assert!(fixture.handle.assign(small).await);
        fixture
            .until(|status| status.role == PartitionRole::Leader)
            .await;
        gate.close();
        let text = "x".repeat(600);
        for _ in 0..4 {
            let appended = fixture.append(&[text.as_str()], RequiredAcks::Leader).await;
            appended.unwrap();
        }
        let handle = fixture.handle.clone();
        let closing = handle.close(how);
        tokio::pin!(closing);
        assert!(timeout(SOON, &mut closing).await.is_err(), "{how:?}");
        gate.open();
        assert_eq!(closing.await, Ok(()), "{how:?}");
        let dir = fixture.folder.path();
        std::fs::rename(dir.join("flights-0"), dir.join("flights-0.1-delete")).unwrap();
        assert!(fixture.context.latch.failure().is_none());
    }
}

#[tokio::test]
async fn a_fetcher_hears_of_its_position_when_that_is_synced() {
    let (fixture, gate) = gated_fixture();
    let role = AssignedRole::Follower { leader: PEER };
    assert!(fixture.handle.assign(assignment(role, &[PEER], 1, 1)).await);
    let asked = fixture.position().await;
    gate.close();
    let copied = batch(&["a"])
        .stamped(Offset(0), LeaderEpoch(1))
        .into_bytes();
    let result = fixture.result(0, copied);
    let (reply, _lost) = oneshot::channel();
    let fetched = Fetched {
        asked,
        result,
        reply,
    };
    assert!(fixture.handle.send(Event::Fetched(Box::new(fetched))).await);
    // Another fetcher takes over.
    let position = fixture.position();
    tokio::pin!(position);
    assert!(timeout(SOON, &mut position).await.is_err());
    gate.open();
    let position = position.await;
    assert_eq!(
        (position.fetch_offset, position.flushed_end),
        (Offset(1), Offset(1))
    );
    // Nothing to wait for: at once.
    let next = fixture.fetched(position, fixture.result(1, Bytes::new()));
    assert_eq!(next.await.position.unwrap().flushed_end, Offset(1));
}

#[tokio::test]
async fn whoever_asks_for_a_checkpoint_hears_of_its_end() {
    let (fixture, gate) = gated_fixture();
    fixture.lead(&[OWN], 0, 1).await;
    fixture.append_one("a").await;
    let (done, ended) = oneshot::channel();
    assert!(fixture.handle.send(Event::Checkpoint(done)).await);
    assert!(ended.await.is_err(), "dropped when done");
    gate.close();
    let appended = fixture.append(&["b"], RequiredAcks::Leader).await;
    appended.unwrap();
    // After the flush in flight, not beside it.
    let (done, mut ended) = oneshot::channel();
    assert!(fixture.handle.send(Event::Checkpoint(done)).await);
    assert!(timeout(SOON, &mut ended).await.is_err());
    gate.open();
    assert!(ended.await.is_err());
}
