//! Compressed batches in a log: kept as they are, searched by time, stamped with the leader's.

use std::sync::Arc;

use tempfile::TempDir;
use trimaran_commit_log::{
    DecompressLimits, Log, LogConfig, LogContext, OpenAs, ReadError, RealDisk, compress, decompress,
};
use trimaran_types::record_batch::{RecordBatch, TimestampType, split};
use trimaran_types::{LeaderEpoch, Offset, Timestamp};

use crate::{CODECS, batch_at};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn open(root: &TempDir, config: LogConfig) -> Log {
    let context = LogContext::standalone(Arc::new(RealDisk), root.path());
    let start = OpenAs {
        topic_id: "rYY3nnFSTqSSPHTTP0qT-g".parse().unwrap(),
        recovery_point: Offset::ZERO,
        log_start: None,
        clean_shutdown: false,
    };
    let (mut log, _) = Log::open(&context, &root.path().join("t-0"), config, start).unwrap();
    if log.latest_epoch().is_none() {
        log.assign_epoch(LeaderEpoch(4), log.log_end()).unwrap();
    }
    log
}

fn packed(records: &[(i64, &str)]) -> Vec<RecordBatch> {
    let plain = batch_at(records);
    let limits = DecompressLimits::default();
    CODECS
        .iter()
        .map(|codec| compress(&plain, *codec, &limits).unwrap())
        .collect()
}

fn stored(log: &Log) -> Vec<RecordBatch> {
    let bytes = log
        .reader()
        .read(log.log_start(), log.log_end(), usize::MAX)
        .unwrap();
    split(bytes).map(Result::unwrap).collect()
}

#[test]
fn a_leader_touches_nothing_behind_the_checksum_and_a_follower_nothing_at_all() {
    let (leader_dir, follower_dir) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut leader = open(&leader_dir, LogConfig::default());
    let mut follower = open(&follower_dir, LogConfig::default());
    let sent = packed(&[(5, &"same ".repeat(100)), (6, &"again ".repeat(100))]);
    leader
        .append_as_leader(sent.clone(), LeaderEpoch(4), NOW)
        .unwrap();
    let kept = stored(&leader);
    assert_eq!(kept.len(), sent.len());
    for (place, (kept, sent)) in kept.iter().zip(&sent).enumerate() {
        assert_eq!(kept.bytes()[16..], sent.bytes()[16..]);
        assert_eq!(
            kept.header().base_offset,
            Offset(2 * i64::try_from(place).unwrap())
        );
        assert_eq!(kept.header().leader_epoch, Some(LeaderEpoch(4)));
    }
    let all = leader
        .reader()
        .read(Offset(0), leader.log_end(), usize::MAX)
        .unwrap();
    follower.append_as_follower(all.clone(), NOW).unwrap();
    for dir in [leader_dir, follower_dir] {
        let file = dir.path().join("t-0/00000000000000000000.log");
        assert_eq!(std::fs::read(file).unwrap(), all);
    }
}

#[test]
fn a_moment_is_found_inside_a_compressed_batch() {
    let root = TempDir::new().unwrap();
    let config = LogConfig {
        segment_bytes: 1024,
        index_interval_bytes: 0,
        ..LogConfig::default()
    };
    let mut log = open(&root, config);
    // Out of order inside a batch, as producers with several threads send them.
    for hundred in 0..20_i64 {
        let at = |n| hundred * 100 + n;
        for batch in packed(&[(at(10), "a"), (at(40), "b"), (at(20), "c"), (at(30), "d")]) {
            log.append_as_leader(vec![batch], LeaderEpoch(4), NOW)
                .unwrap();
        }
    }
    let find = |log: &Log, at_least, before| {
        let found = log
            .reader()
            .offset_for_timestamp(Timestamp(at_least), Offset(before));
        found
            .unwrap()
            .map(|(timestamp, offset)| (timestamp.0, offset.0))
    };
    let end = log.log_end().0;
    assert_eq!(end, 20 * 16);
    assert_eq!(find(&log, 0, end), Some((10, 0)));
    assert_eq!(find(&log, 11, end), Some((40, 1)));
    assert_eq!(find(&log, 35, end), Some((40, 1)));
    assert_eq!(find(&log, 41, end), Some((110, 16)));
    assert_eq!(find(&log, 1_915, end), Some((1_940, 19 * 16 + 1)));
    assert_eq!(find(&log, 1_941, end), None);
    assert_eq!(find(&log, 100, 16), None);
    let latest = |log: &Log, before| {
        let found = log.reader().offset_of_max_timestamp(Offset(before));
        found
            .unwrap()
            .map(|(timestamp, offset)| (timestamp.0, offset.0))
    };
    for hundred in 0..20 {
        // Below the first four batches' end, and inside of the second of them.
        for before in [16, 7].map(|more| 16 * hundred + more) {
            let found = latest(&log, before);
            assert_eq!(found, Some((hundred * 100 + 40, hundred * 16 + 1)));
        }
    }
    // A start inside a batch hides its first records.
    log.raise_log_start(Offset(2));
    assert_eq!(find(&log, 0, end), Some((20, 2)));
    assert_eq!(find(&log, 21, end), Some((30, 3)));
    assert_eq!(latest(&log, 4), Some((30, 3)));
    assert_eq!(latest(&log, 8), Some((40, 5)));
}

#[test]
fn records_that_cannot_be_read_are_named_and_not_skipped() {
    let root = TempDir::new().unwrap();
    let mut log = open(&root, LogConfig::default());
    let good = packed(&[(10, "a")]).remove(0);
    // A header that says gzip over bytes that are none, with a checksum that is right.
    let bad = RecordBatch::assemble(good.header(), b"no gzip").unwrap();
    log.append_as_leader(vec![good.clone(), bad, good], LeaderEpoch(4), NOW)
        .unwrap();
    let reader = log.reader();
    let found = reader.offset_for_timestamp(Timestamp(10), log.log_end());
    assert_eq!(found.unwrap(), Some((Timestamp(10), Offset(0))));
    log.raise_log_start(Offset(1));
    match reader.offset_for_timestamp(Timestamp(10), log.log_end()) {
        Err(ReadError::Records { offset, cause }) => {
            assert_eq!(offset, Offset(1));
            assert!(cause.to_string().starts_with("records are not valid gzip"));
        }
        other => panic!("{other:?}"),
    }
    // They may be the latest.
    let latest = reader.offset_of_max_timestamp(log.log_end());
    assert!(matches!(latest, Err(ReadError::Records { offset, .. }) if offset == Offset(1)));
}

#[test]
fn log_append_time_is_the_leader_s_and_the_records_stay_as_they_are() {
    let root = TempDir::new().unwrap();
    let config = LogConfig {
        timestamp_type: TimestampType::LogAppendTime,
        ..LogConfig::default()
    };
    let mut log = open(&root, config.clone());
    let mut sent = packed(&[(5, "a"), (7, "b")]);
    sent.push(batch_at(&[(9, "c")]));
    log.append_as_leader(sent.clone(), LeaderEpoch(4), NOW)
        .unwrap();
    let later = Timestamp(NOW.0 + 50);
    let last = batch_at(&[(1, "d")]);
    log.append_as_leader(vec![last.clone()], LeaderEpoch(4), later)
        .unwrap();
    sent.push(last);
    let check = |log: &Log| {
        let kept = stored(log);
        assert_eq!(kept.len(), sent.len());
        for (kept, sent) in kept.iter().zip(&sent) {
            let header = kept.header();
            let is_last = header.next_offset() == log.log_end();
            let expected = if is_last { later } else { NOW };
            assert_eq!(
                header.attributes.timestamp_type(),
                TimestampType::LogAppendTime
            );
            assert_eq!(
                header.attributes.compression(),
                sent.header().attributes.compression()
            );
            assert_eq!(header.max_timestamp, expected);
            assert_eq!(header.base_timestamp, sent.header().base_timestamp);
            assert_eq!(kept.record_bytes(), sent.record_bytes());
            let plain = decompress(kept, &DecompressLimits::default()).unwrap();
            assert!(
                plain
                    .views()
                    .all(|record| record.unwrap().timestamp == expected)
            );
        }
        let found = |at_least| {
            let reader = log.reader();
            let found = reader.offset_for_timestamp(at_least, log.log_end());
            found.unwrap().map(|(_, offset)| offset)
        };
        assert_eq!(found(NOW), Some(Offset(0)));
        assert_eq!(found(Timestamp(NOW.0 + 1)), Some(Offset(9)));
        let latest = log.reader().offset_of_max_timestamp(log.log_end());
        assert_eq!(latest.unwrap(), Some((later, Offset(9))));
    };
    check(&log);
    // What is on the disk has good checksums, and the index the new times.
    drop(log);
    check(&open(&root, config));
}
