//! Several log directories: one that fails, one that is lost, and a replica in two of them.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use trimaran_types::{KafkaError, Offset};

use super::pair::{ONE, Pair, TWO, directory, read_all};
use crate::partition::PartitionRole;
use crate::replicas::{DataDirStatus, OpenAllError, Replicas};

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_failed_directory_takes_only_its_own_replicas_out() {
    let pair = Pair::start_with_dirs(1).await;
    let first = pair.create_in("first", 0).await;
    let second = pair.create_in("second", 1).await;
    pair.append(ONE, first, "a").await.unwrap();
    pair.append(ONE, second, "b").await.unwrap();
    assert!(pair.folder(ONE, 1).join("logs/second-0").exists());
    let replicas = &pair.broker(ONE).replicas;
    let mut failed = replicas.failed_dirs();
    let bad = replicas.dirs().get(directory(ONE, 1)).unwrap().dir();
    let error = io::Error::from_raw_os_error(5);
    bad.context().latch.fail("sync", bad.logs_dir(), &error);
    let reported = failed.wait_for(|failed| *failed == [directory(ONE, 1)]);
    drop(tokio::time::timeout(LONG, reported).await.unwrap().unwrap());
    pair.until_out_of_service(ONE, &["second-0"]).await;
    let refusal = pair.append(ONE, second, "c").await.unwrap_err();
    assert_eq!(
        refusal.body.kafka_error,
        Some(KafkaError::KafkaStorageError)
    );
    // The other directory goes on, and its checkpoints with it.
    pair.append(ONE, first, "c").await.unwrap();
    assert!(!replicas.dirs().have_all_failed());
    let statuses = replicas.dir_statuses();
    let shown: Vec<_> = statuses
        .iter()
        .map(|dir| (dir.failure.is_some(), dir.replicas))
        .collect();
    assert_eq!(shown, [(false, 1), (true, 1)]);
    // The partition goes on without it, as the controllers would have it.
    pair.set_isr(second, TWO, &[TWO]);
    pair.set_config(second, "min.insync.replicas", "1");
    pair.until(TWO, second, |status| status.role == PartitionRole::Leader)
        .await;
    let appended = pair.append(TWO, second, "d").await.unwrap();
    assert_eq!(appended.base_offset, Some(Offset(1)));
}

#[tokio::test]
async fn a_replica_that_cannot_be_made_is_listed_until_nobody_asks_for_it() {
    let pair = Pair::start_with_dirs(1).await;
    let replicas = &pair.broker(ONE).replicas;
    let bad = replicas.dirs().get(directory(ONE, 1)).unwrap().dir();
    let error = io::Error::from_raw_os_error(5);
    bad.context().latch.fail("sync", bad.logs_dir(), &error);
    let id = pair.create_unseen_in("later", 1);
    pair.until_out_of_service(ONE, &["later-0"]).await;
    let reasons = replicas.out_of_service_reasons();
    assert!(reasons[0].starts_with("later-0: "), "{reasons:?}");
    assert!(reasons[0].contains("out of service"), "{reasons:?}");
    let not_made: Vec<usize> = replicas.dir_statuses().iter().map(|d| d.not_made).collect();
    assert_eq!(not_made, [0, 1]);
    pair.delete(id);
    pair.until_out_of_service(ONE, &[]).await;
}

#[test]
fn a_directory_without_room_says_what_it_refuses() {
    let mut dir = DataDirStatus {
        path: "/data".into(),
        replicas: 7,
        ..DataDirStatus::default()
    };
    assert_eq!((dir.state(), dir.warning()), ("ok", None));
    dir.lacking_room = 3;
    assert_eq!(dir.state(), "lacks-room");
    let warning = dir.warning().unwrap();
    assert!(warning.contains("3 of 7 replicas"), "{warning}");
    dir.failure = Some("broken".to_owned());
    assert_eq!((dir.state(), dir.warning()), ("failed", None));
}

#[tokio::test]
async fn the_replicas_of_a_lost_directory_are_fetched_into_another() {
    let mut pair = Pair::start_with_dirs(1).await;
    let id = pair.create_in("second", 1).await;
    pair.append(ONE, id, "a").await.unwrap();
    pair.set_isr(id, TWO, &[TWO]);
    pair.until(TWO, id, |status| status.role == PartitionRole::Leader)
        .await;
    assert!(pair.stop(ONE).await);
    // As the controllers do when the directory is not registered again.
    pair.set_isr(id, TWO, &[TWO]);
    pair.extra_dirs = 0;
    let report = pair.restart(ONE).await;
    assert_eq!((report.opened, report.out_of_service), (0, 0));
    pair.until(ONE, id, |status| status.log_end == Offset(1))
        .await;
    pair.until_isr(id, &[TWO, ONE]).await;
    let replica = pair.broker(ONE).replicas.get(id).unwrap();
    assert_eq!(replica.directory_id(), directory(ONE, 0));
    assert_eq!(read_all(&replica), ["a"]);
    // The directory comes back with its old copy, which the metadata records as the place still.
    assert!(pair.stop(ONE).await);
    pair.extra_dirs = 1;
    let replicas = Replicas::new(pair.context(ONE), pair.data_dirs(ONE), 8);
    let refused = replicas
        .open_all(&pair.image(), &BTreeSet::new())
        .await
        .unwrap_err();
    let OpenAllError::Twice {
        partition,
        first,
        second,
    } = &refused
    else {
        panic!("{refused}");
    };
    assert_eq!(partition.to_string(), "second-0");
    assert!(first.starts_with(pair.folder(ONE, 0)), "{refused}");
    assert!(second.starts_with(pair.folder(ONE, 1)), "{refused}");
}

#[tokio::test]
async fn a_log_in_a_directory_that_it_does_not_belong_in_is_set_aside_not_served() {
    let mut pair = Pair::start_with_dirs(1).await;
    let id = pair.create_in("second", 1).await;
    pair.append(ONE, id, "a").await.unwrap();
    assert!(pair.stop(ONE).await);
    pair.set_isr(id, TWO, &[TWO]);
    let (from, to) = (
        pair.folder(ONE, 1).join("logs/second-0"),
        pair.folder(ONE, 0).join("logs/second-0"),
    );
    std::fs::rename(from, to).unwrap();
    let report = pair.restart(ONE).await;
    assert_eq!((report.opened, report.strays), (0, 1));
    assert_eq!(pair.stray_directories(ONE), 1);
}
