//! Errors of the system that are no failure of a disk: they take no more out of service than they
//! concern, and for no longer than they last.

use std::sync::Arc;
use std::time::Duration;

use trimaran_api::replica::ReadQuery;
use trimaran_types::{Offset, TopicIdPartition};

use super::bad_disk::{BadDisk, EIO, EMFILE};
use super::pair::{ONE, Pair, TWO, directory};
use crate::partition::PartitionRole;

const NAME: &str = "flights-0";
const LOG: &str = "flights-0/00000000000000000000.log";
const LONG: Duration = Duration::from_secs(20);

/// Two brokers with a topic of three records, of which the first was deleted; the next start of a
/// broker finds itself on the disk that is given.
async fn written(disk: &BadDisk) -> (Pair, TopicIdPartition) {
    let mut pair = Pair::start().await;
    let id = pair.create("flights", &[ONE, TWO], &[ONE, TWO]).await;
    for text in ["a", "b", "c"] {
        pair.append(ONE, id, text).await.unwrap();
    }
    let replicas = Arc::clone(&pair.broker(ONE).replicas);
    replicas.trim(id, Offset(1), LONG).await.unwrap();
    pair.disk = Arc::new(disk.clone());
    (pair, id)
}

fn has_failed(pair: &Pair) -> bool {
    let dirs = pair.broker(ONE).replicas.dirs();
    dirs.iter().any(crate::replicas::DataDir::has_failed)
}

#[tokio::test]
async fn a_log_that_finds_no_descriptor_at_the_start_is_opened_later_as_it_was() {
    let disk = BadDisk::default();
    let (mut pair, id) = written(&disk).await;
    pair.set_isr(id, TWO, &[TWO, ONE]);
    for refused in [LOG, NAME] {
        assert!(pair.stop(ONE).await);
        disk.refuse_opens(refused, EMFILE);
        let report = pair.restart(ONE).await;
        assert_eq!((report.opened, report.out_of_service), (0, 1));
        assert!(!has_failed(&pair));
        pair.until_out_of_service(ONE, &[NAME]).await;
        let replicas = Arc::clone(&pair.broker(ONE).replicas);
        assert!(replicas.dir_statuses()[0].lacks_room());
        assert_eq!(replicas.damaged_replicas(), 0);
        drop(replicas);
        // Nobody has looked at its end, so a stop now says nothing of it.
        assert!(!pair.stop(ONE).await);
        pair.restart(ONE).await;
        disk.repair();
        pair.until_out_of_service(ONE, &[]).await;
        let handle = pair.broker(ONE).replicas.get(id).unwrap();
        let status = handle.status();
        assert_eq!(
            (status.log_start, status.log_end),
            (Offset(1), Offset(3)),
            "what was deleted stays so"
        );
        let read = handle.reader().read(Offset(1), Offset(3), 1 << 20);
        assert!(!read.unwrap().is_empty());
        assert_eq!(pair.folders_ending_in(ONE, "-damaged").len(), 0);
    }
}

#[tokio::test]
async fn a_file_that_the_device_cannot_read_takes_one_replica_out_and_no_directory() {
    let disk = BadDisk::default();
    let (mut pair, id) = written(&disk).await;
    let other = pair.create("other", &[ONE], &[ONE]).await;
    pair.set_config(other, "min.insync.replicas", "1");
    pair.append(ONE, other, "x").await.unwrap();
    pair.crash(ONE).await;
    disk.refuse_reads(LOG, EIO);
    let report = pair.restart(ONE).await;
    assert_eq!((report.opened, report.out_of_service), (1, 1));
    assert!(!has_failed(&pair));
    pair.until_out_of_service(ONE, &[NAME]).await;
    pair.until(ONE, other, |status| status.role == PartitionRole::Leader)
        .await;
    pair.append(ONE, other, "y").await.unwrap();
    // The controllers are told, and it is fetched anew.
    disk.repair();
    pair.hear(ONE);
    pair.until_isr(id, &[TWO, ONE]).await;
    assert_eq!(pair.folders_ending_in(ONE, "-damaged").len(), 1);
}

#[tokio::test]
async fn a_reader_that_meets_a_file_that_cannot_be_read_has_the_replica_fetched_anew() {
    let disk = BadDisk::default();
    let (mut pair, id) = written(&disk).await;
    assert!(pair.stop(ONE).await);
    pair.restart(ONE).await;
    pair.until(ONE, id, |status| status.role == PartitionRole::Leader)
        .await;
    disk.refuse_reads(LOG, EIO);
    let replicas = Arc::clone(&pair.broker(ONE).replicas);
    let query = ReadQuery {
        offset: Offset(1),
        bytes_max: 1 << 20,
        bytes_min: 0,
        wait_ms: 0,
    };
    assert!(replicas.read(id, &query).await.is_err());
    pair.until_out_of_service(ONE, &[NAME]).await;
    disk.repair();
    drop(replicas);
    pair.hear(ONE);
    pair.until_isr(id, &[TWO, ONE]).await;
    assert!(!has_failed(&pair));
}

#[tokio::test]
async fn a_log_that_was_lost_with_the_notes_is_lost_at_the_next_start_too() {
    let mut pair = Pair::start().await;
    let id = pair.create("flights", &[ONE, TWO], &[ONE, TWO]).await;
    let kept = pair.create("kept", &[ONE, TWO], &[ONE, TWO]).await;
    pair.append(ONE, id, "a").await.unwrap();
    pair.append(ONE, kept, "b").await.unwrap();
    pair.crash(ONE).await;
    pair.lose(ONE, NAME);
    let notes = pair.log_dir(ONE, "recovery-point-offset-checkpoint");
    std::fs::remove_file(notes).unwrap();
    for _ in 0..3 {
        // The controllers hear nothing yet.
        let report = pair.restart(ONE).await;
        assert_eq!((report.opened, report.out_of_service), (1, 1));
        assert!(pair.broker(ONE).replicas.get(id).is_none());
        pair.crash(ONE).await;
    }
    let report = pair.restart(ONE).await;
    assert_eq!((report.opened, report.out_of_service), (1, 1));
    pair.hear(ONE);
    pair.until_isr(id, &[TWO, ONE]).await;
    // Begun anew, it is as good as any other.
    pair.crash(ONE).await;
    assert_eq!(pair.restart(ONE).await.opened, 2);
}

#[tokio::test]
async fn a_directory_that_hangs_holds_up_the_checkpoints_of_no_other() {
    let disk = BadDisk::default();
    let mut pair = Pair::start_with_dirs(1).await;
    pair.disk = Arc::new(disk.clone());
    assert!(pair.stop(ONE).await);
    pair.restart(ONE).await;
    let first = pair.create_in("first", 0).await;
    let second = pair.create_in("second", 1).await;
    disk.hang_syncs(&pair.folder(ONE, 0).join("logs/flushed-ends"));
    let replicas = Arc::clone(&pair.broker(ONE).replicas);
    let syncing = tokio::spawn(Arc::clone(&replicas).sync_flushed_ends());
    let is_dirty = |number: usize| {
        let dirs = replicas.dirs();
        let dir = dirs.get(directory(ONE, number)).unwrap().dir();
        dir.flushed_ends_are_dirty()
    };
    for _ in 0..2 {
        pair.append(ONE, first, "a").await.unwrap();
        pair.append(ONE, second, "b").await.unwrap();
        let synced = async {
            while is_dirty(1) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LONG, synced).await.expect("synced");
    }
    disk.repair();
    syncing.abort();
}
