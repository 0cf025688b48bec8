//! Logs of topics that went while their broker was away: deleted where a committed record says so,
//! kept where nothing does (P-TOMBSTONE); and folders that name another topic by damage.

use std::collections::BTreeSet;

use trimaran_types::TopicIdPartition;

use super::pair::{ONE, Pair, TWO, read_all};
use crate::partition::PartitionRole;

/// Broker 1 is stopped cleanly with the logs of `bad`, which has the record "a", and of `good`.
async fn stopped_with_two_logs() -> (Pair, TopicIdPartition) {
    let mut pair = Pair::start().await;
    let bad = pair.create("bad", &[ONE, TWO], &[ONE, TWO]).await;
    let good = pair.create("good", &[ONE, TWO], &[ONE, TWO]).await;
    pair.append(ONE, bad, "a").await.unwrap();
    pair.append(ONE, good, "b").await.unwrap();
    assert!(pair.stop(ONE).await);
    (pair, bad)
}

/// The other broker leads alone, and this one is let in again with all that it holds.
async fn comes_back_whole(pair: &Pair, bad: TopicIdPartition) {
    pair.set_isr(bad, TWO, &[TWO]);
    pair.until_isr(bad, &[TWO, ONE]).await;
    let held = read_all(&pair.broker(ONE).replicas.get(bad).unwrap());
    assert_eq!(held, ["a"]);
}

async fn until_removed(pair: &Pair) {
    pair.broker(ONE).replicas.remove_deleted();
    while !pair.folders_ending_in(ONE, "-delete").is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_topic_that_went_while_the_broker_was_down_is_deleted_at_its_start() {
    let mut pair = Pair::start().await;
    let kept = pair.create("kept", &[ONE, TWO], &[ONE, TWO]).await;
    let gone = pair.create("gone", &[ONE, TWO], &[ONE, TWO]).await;
    pair.append(ONE, gone, "b").await.unwrap();
    pair.append(ONE, kept, "a").await.unwrap();
    pair.removed = BTreeSet::from([gone.topic_id]);
    pair.crash(ONE).await;
    pair.delete(gone);
    let again = pair.create_unseen("gone", &[ONE, TWO]);
    let report = pair.restart(ONE).await;
    assert_eq!((report.opened, report.ended, report.strays), (1, 1, 0));
    assert_eq!(pair.stray_directories(ONE), 0);
    until_removed(&pair).await;
    pair.until(ONE, again, |status| status.role == PartitionRole::Leader)
        .await;
    pair.append(ONE, again, "c").await.unwrap();
    let held = read_all(&pair.broker(ONE).replicas.get(again).unwrap());
    assert_eq!(held, ["c"]);
}

#[tokio::test]
async fn one_whose_removal_nobody_has_seen_is_kept_although_the_image_lacks_it() {
    let mut pair = Pair::start().await;
    let removed = pair.create("removed", &[ONE, TWO], &[ONE, TWO]).await;
    let unknown = pair.create("unknown", &[ONE, TWO], &[ONE, TWO]).await;
    pair.append(ONE, removed, "a").await.unwrap();
    pair.append(ONE, unknown, "b").await.unwrap();
    assert!(pair.stop(ONE).await);
    pair.delete(removed);
    pair.delete(unknown);
    pair.removed = BTreeSet::from([removed.topic_id]);
    let report = pair.restart(ONE).await;
    assert_eq!((report.opened, report.ended, report.strays), (0, 1, 1));
    assert_eq!(pair.broker(ONE).replicas.strays_kept(), 1);
    assert_eq!(pair.stray_directories(ONE), 1);
    until_removed(&pair).await;
}

#[tokio::test]
async fn what_the_image_still_has_is_never_taken_for_ended() {
    let mut pair = Pair::start().await;
    let id = pair.create("flights", &[ONE, TWO], &[ONE, TWO]).await;
    pair.append(ONE, id, "a").await.unwrap();
    assert!(pair.stop(ONE).await);
    // A removal that its guard refused was replayed.
    pair.removed = BTreeSet::from([id.topic_id]);
    let report = pair.restart(ONE).await;
    assert_eq!((report.opened, report.ended, report.strays), (1, 0, 0));
    let held = read_all(&pair.broker(ONE).replicas.get(id).unwrap());
    assert_eq!(held, ["a"]);
}

#[tokio::test]
async fn a_damaged_note_of_the_topic_takes_only_its_replica_out() {
    let damages: [&[u8]; 3] = [
        b"version: 0\ntopic_id: \xff\n",
        b"nonsense",
        // Another topic's id, as one flipped bit may make it.
        b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAg\n",
    ];
    for damage in damages {
        let (mut pair, bad) = stopped_with_two_logs().await;
        let note = pair.log_dir(ONE, "bad-0").join("partition.metadata");
        std::fs::write(note, damage).unwrap();
        let report = pair.restart(ONE).await;
        assert_eq!(
            (report.opened, report.out_of_service, report.strays),
            (1, 1, 0),
            "{damage:?}"
        );
        pair.until_out_of_service(ONE, &["bad-0"]).await;
        assert!(pair.broker(ONE).replicas.failed_dirs().borrow().is_empty());
        // It holds what nobody else may hold: no empty log takes its place.
        assert!(pair.broker(ONE).replicas.get(bad).is_none());
        comes_back_whole(&pair, bad).await;
        assert_eq!(pair.folders_ending_in(ONE, "-damaged").len(), 1);
    }
}

#[tokio::test]
async fn a_file_in_the_place_of_a_log_takes_only_its_replica_out() {
    let (mut pair, bad) = stopped_with_two_logs().await;
    pair.lose(ONE, "bad-0");
    std::fs::write(pair.log_dir(ONE, "bad-0"), b"?").unwrap();
    let report = pair.restart(ONE).await;
    assert_eq!((report.opened, report.out_of_service), (1, 1));
    pair.until_out_of_service(ONE, &["bad-0"]).await;
    comes_back_whole(&pair, bad).await;
}
