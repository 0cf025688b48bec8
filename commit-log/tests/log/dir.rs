//! The data directory: whose it is, what a restart reads, what is never deleted.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use trimaran_commit_log::{Aside, Log, LogDir, LogDirError, RealDisk, parse_partition_dir};
use trimaran_types::{
    BrokerEpoch, BrokerId, ClusterId, DirectoryId, LeaderEpoch, Offset, TopicPartition,
};
use uuid::Uuid;

use crate::rig::{Rig, topic_id};

fn open(root: &Path, cluster: u128, node: u32) -> Result<LogDir, LogDirError> {
    let cluster = ClusterId::from_uuid(Uuid::from_u128(cluster));
    let directory = DirectoryId::from_uuid(Uuid::from_u128(77));
    LogDir::open(Arc::new(RealDisk), root, cluster, BrokerId(node), directory)
}

fn partition(name: &str) -> TopicPartition {
    parse_partition_dir(name).unwrap()
}

fn open_log(dir: &LogDir, name: &str) -> Log {
    let partition = partition(name);
    let config = Rig::new().config;
    let start = dir.open_as(&partition, topic_id());
    Log::open(dir.context(), &dir.partition_dir(&partition), config, start)
        .unwrap()
        .0
}

#[test]
fn a_directory_whose_disk_is_gone_is_found_out_by_its_checkpoints() {
    let root = tempfile::tempdir().unwrap();
    let dir = open(root.path(), 1, 1).unwrap();
    dir.write_high_watermarks(&BTreeMap::new()).unwrap();
    fs::rename(root.path().join("logs"), root.path().join("gone")).unwrap();
    let refused = dir.write_high_watermarks(&BTreeMap::new());
    assert!(
        matches!(refused, Err(LogDirError::DirFailed(_))),
        "{refused:?}"
    );
    assert!(dir.context().latch.failure().is_some());
    assert!(matches!(
        dir.write_log_starts(),
        Err(LogDirError::DirFailed(_))
    ));
}

#[test]
fn a_directory_has_one_owner() {
    let root = tempfile::tempdir().unwrap();
    let dir = open(root.path(), 1, 1).unwrap();
    let id = dir.directory_id();
    assert!(matches!(
        open(root.path(), 1, 1),
        Err(LogDirError::InUse { .. })
    ));
    drop(dir);
    let other = open(root.path(), 2, 1).unwrap_err();
    assert!(matches!(other, LogDirError::OtherCluster { .. }));
    assert!(other.to_string().contains(
        "belongs to cluster AAAAAAAAAAAAAAAAAAAAAQ, this node is of cluster AAAAAAAAAAAAAAAAAAAAAg"
    ));
    assert!(matches!(
        open(root.path(), 1, 2),
        Err(LogDirError::OtherNode { .. })
    ));
    assert_eq!(open(root.path(), 1, 1).unwrap().directory_id(), id);
    let meta = fs::read_to_string(root.path().join("meta.properties")).unwrap();
    assert_eq!(
        meta,
        "cluster.id=AAAAAAAAAAAAAAAAAAAAAQ\ndirectory.id=AAAAAAAAAAAAAAAAAAAATQ\nnode.id=1\nversion=1\n"
    );
    fs::remove_file(root.path().join("meta.properties")).unwrap();
    fs::create_dir(root.path().join("logs/t-0")).unwrap();
    assert!(matches!(
        open(root.path(), 1, 1),
        Err(LogDirError::NobodysLogs { .. })
    ));
    fs::write(root.path().join("meta.properties"), "version=1\n").unwrap();
    assert!(matches!(
        open(root.path(), 1, 1),
        Err(LogDirError::Meta { .. })
    ));
}

#[test]
fn a_clean_stop_is_known_once() {
    let root = tempfile::tempdir().unwrap();
    let rig = Rig::new();
    let dir = open(root.path(), 1, 1).unwrap();
    assert_eq!(dir.clean_shutdown(), None);
    let mut log = open_log(&dir, "t-3");
    log.assign_epoch(LeaderEpoch(2), Offset(0)).unwrap();
    rig.fill(&mut log, 100, 50);
    log.close().unwrap();
    let marks = BTreeMap::from([(partition("t-3"), Offset(90))]);
    dir.write_high_watermarks(&marks).unwrap();
    dir.mark_clean_shutdown(Some(BrokerEpoch(12))).unwrap();
    drop(dir);
    let read = |name: &str| fs::read_to_string(root.path().join("logs").join(name)).unwrap();
    for (name, said) in [
        ("recovery-point-offset-checkpoint", "0\n2\nt 3 100\n"),
        ("replication-offset-checkpoint", "0\n2\nt 3 90\n"),
    ] {
        let checksum = crc32c::crc32c(said.as_bytes());
        assert_eq!(read(name), format!("{said}#crc32c 0 {checksum}\n"));
    }
    assert_eq!(
        read(".kafka_cleanshutdown"),
        r#"{"brokerEpoch":12,"version":0}"#
    );

    let dir = open(root.path(), 1, 1).unwrap();
    assert_eq!(
        dir.clean_shutdown().unwrap().broker_epoch,
        Some(BrokerEpoch(12))
    );
    assert_eq!(dir.high_watermark(&partition("t-3")), Some(Offset(90)));
    let start = dir.open_as(&partition("t-3"), topic_id());
    assert_eq!(
        (start.recovery_point, start.clean_shutdown),
        (Offset(100), true)
    );
    assert_eq!(open_log(&dir, "t-3").latest_epoch(), Some(LeaderEpoch(2)));
    drop(dir);
    assert_eq!(open(root.path(), 1, 1).unwrap().clean_shutdown(), None);
}

#[test]
fn damaged_checkpoints_are_taken_for_empty() {
    let root = tempfile::tempdir().unwrap();
    drop(open(root.path(), 1, 1).unwrap());
    for name in [
        "recovery-point-offset-checkpoint",
        "replication-offset-checkpoint",
        "log-start-offset-checkpoint",
        ".kafka_cleanshutdown",
    ] {
        fs::write(root.path().join("logs").join(name), b"\xff\xfe garbage").unwrap();
    }
    let dir = open(root.path(), 1, 1).unwrap();
    assert_eq!(dir.clean_shutdown(), None);
    assert_eq!(
        dir.open_as(&partition("t-0"), topic_id()).recovery_point,
        Offset(0)
    );
}

#[test]
fn what_is_set_aside_is_out_of_the_way_and_strays_stay() {
    let root = tempfile::tempdir().unwrap();
    let rig = Rig::new();
    let dir = open(root.path(), 1, 1).unwrap();
    for name in ["a-0", "b-1"] {
        let mut log = open_log(&dir, name);
        log.assign_epoch(LeaderEpoch(0), Offset(0)).unwrap();
        rig.fill(&mut log, 3, 50);
        log.close().unwrap();
    }
    fs::create_dir(dir.logs_dir().join("notes")).unwrap();
    dir.write_recovery_points().unwrap();
    let found = dir.partitions().unwrap();
    assert_eq!(
        found
            .iter()
            .map(|f| f.partition.to_string())
            .collect::<Vec<_>>(),
        ["a-0", "b-1"]
    );
    assert!(found.iter().all(|f| f.topic_id == Some(topic_id())));

    let gone = dir.set_aside(&[partition("a-0")], Aside::Delete).unwrap();
    dir.set_aside(&[partition("b-1")], Aside::Stray).unwrap();
    assert!(
        gone[0]
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("a-0.")
            && gone[0].exists()
    );
    assert_eq!(dir.partitions().unwrap(), []);
    // A log of the same name is new, not one that lost its records.
    let mut again = open_log(&dir, "a-0");
    assert_eq!(again.log_end(), Offset(0));
    again.assign_epoch(LeaderEpoch(0), Offset(0)).unwrap();
    drop(again);
    dir.set_aside(&[partition("a-0")], Aside::Delete).unwrap();

    assert_eq!(dir.remove_deleted().unwrap(), 2);
    let mut left: Vec<_> = fs::read_dir(dir.logs_dir())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left.len(), 2);
    assert!(left[0].starts_with("b-1.") && left[0].ends_with("-stray"));
    assert_eq!(left[1], "notes");
}

#[test]
fn a_log_that_vanished_is_told_from_one_that_never_was() {
    let root = tempfile::tempdir().unwrap();
    let dir = open(root.path(), 1, 1).unwrap();
    assert!(dir.has_its_notes());
    for name in ["a-0", "b-1", "c-2"] {
        drop(open_log(&dir, name));
        if name != "c-2" {
            dir.note_logs(&[partition(name)]).unwrap();
        }
    }
    drop(dir);
    // No recovery point was ever written for any of them.
    let dir = open(root.path(), 1, 1).unwrap();
    assert!(dir.has_its_notes());
    assert_eq!(dir.noted_logs(), [partition("a-0"), partition("b-1")]);
    let start = dir.open_as(&partition("a-0"), topic_id());
    assert_eq!(start.recovery_point, Offset(0));
    assert!(!dir.is_lost(&partition("a-0")).unwrap());
    fs::remove_dir_all(dir.partition_dir(&partition("a-0"))).unwrap();
    let segment = dir.partition_dir(&partition("b-1"));
    fs::remove_file(segment.join("00000000000000000000.log")).unwrap();
    fs::remove_dir_all(dir.partition_dir(&partition("c-2"))).unwrap();
    let lost = ["a-0", "b-1", "c-2"].map(|name| dir.is_lost(&partition(name)).unwrap());
    assert_eq!(lost, [true, true, false]);
    // Given up, it may begin anew.
    let gone = [partition("a-0"), partition("b-1")];
    assert_eq!(dir.set_aside(&gone, Aside::Damaged).unwrap().len(), 1);
    assert_eq!(dir.damaged_logs().unwrap(), 1);
    assert!(!dir.is_lost(&partition("a-0")).unwrap());
    assert_eq!(dir.remove_deleted().unwrap(), 0, "kept for a person");
    drop(dir);
    assert_eq!(open(root.path(), 1, 1).unwrap().noted_logs(), []);
}

#[test]
fn a_directory_that_lost_its_notes_says_so() {
    let root = tempfile::tempdir().unwrap();
    drop(open(root.path(), 1, 1).unwrap());
    let notes = root.path().join("logs/recovery-point-offset-checkpoint");
    let content = fs::read_to_string(&notes).unwrap();
    assert!(content.starts_with("0\n1\n#crc32c 0 "), "{content}");
    fs::write(&notes, "garbage").unwrap();
    assert!(!open(root.path(), 1, 1).unwrap().has_its_notes());
    fs::remove_file(&notes).unwrap();
    assert!(!open(root.path(), 1, 1).unwrap().has_its_notes());
}
