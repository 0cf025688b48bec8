//! A log that Apache Kafka wrote: read here, and made again, byte for byte. `tests/golden/README.md` says how it came.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use trimaran_commit_log::{
    Checkpointed, DecompressLimits, LogConfig, LogReader, Seen, decompress, inspect_partition,
    parse_partition_dir,
};
use trimaran_types::record_batch::{Compression, RecordBatch, split};
use trimaran_types::{LeaderEpoch, Offset, Timestamp};

use crate::retention::open_dir;
use crate::rig::{NOW, Rig, flush, real, segment_files};

const RECORDS: i64 = 180;
const BATCHES: i64 = 90;
/// Later than every record.
const LATER: Timestamp = Timestamp(NOW.0 + 30 * 24 * 3_600_000);

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Kafka's settings of that log.
fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.config = LogConfig {
        segment_bytes: 4096,
        segment_ms: 3_600_000,
        index_interval_bytes: 200,
        ..rig.config
    };
    rig
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

fn assert_is_golden(dir: &Path) {
    let (ours, theirs) = (files(dir), files(&golden().join("t-0")));
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&ours), names(&theirs));
    for (name, bytes) in theirs {
        assert!(ours[&name] == bytes, "{name} differs");
    }
}

/// Puts those of Kafka's files whose names pass where a log is opened.
fn put(rig: &Rig, is_wanted: impl Fn(&str) -> bool) {
    fs::create_dir(rig.dir()).unwrap();
    let wanted = files(&golden().join("t-0")).into_iter();
    for (name, bytes) in wanted.filter(|(name, _)| is_wanted(name)) {
        fs::write(rig.dir().join(name), bytes).unwrap();
    }
}

/// The golden batches, in order.
fn batches() -> Vec<RecordBatch> {
    let logs = segment_files(&golden().join("t-0"), "log").into_values();
    let bytes = logs.map(|path| Bytes::from(fs::read(path).unwrap()));
    bytes.flat_map(split).map(Result::unwrap).collect()
}

/// What Kafka was given; see the table in `tests/golden/README.md`.
fn assert_is_what_was_written(reader: &LogReader) {
    let codecs = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];
    let mut next = Offset::ZERO;
    for n in 0..BATCHES {
        let bytes = reader.read(next, Offset(RECORDS), 1).unwrap();
        let batch = RecordBatch::parse(bytes).unwrap();
        let header = *batch.header();
        let codec = codecs[usize::try_from(n % 5).unwrap()];
        assert_eq!(header.attributes.compression(), codec, "batch {n}");
        let epoch = if n < 40 { 0 } else { 3 };
        assert_eq!(header.leader_epoch, Some(LeaderEpoch(epoch)), "batch {n}");
        let step = if n < 45 {
            n * 500
        } else {
            25_000 + (n - 45) * 600_000
        };
        let at = NOW.0 + step - if n % 7 == 6 { 9000 } else { 0 };
        assert_eq!(header.max_timestamp, Timestamp(at), "batch {n}");
        let plain = decompress(&batch, &DecompressLimits::default()).unwrap();
        for (k, record) in (0..).zip(plain.records()) {
            let record = record.unwrap();
            assert_eq!(record.offset, next.plus(k));
            assert_eq!(record.timestamp, Timestamp(at - k));
            let key = (k != 1).then(|| format!("key {n}"));
            assert_eq!(record.key.as_deref(), key.as_ref().map(String::as_bytes));
            let value = format!("value {} of this", n * k);
            assert_eq!(record.value.as_deref(), Some(value.as_bytes()));
        }
        assert_eq!(header.next_offset(), next.plus(n % 3 + 1));
        next = header.next_offset();
    }
    assert_eq!(next, Offset(RECORDS));
}

#[test]
fn kafkas_files_are_read_and_left_as_they_are() {
    let rig = rig();
    put(&rig, |_| true);
    let mut findings = Vec::new();
    let mut entries = 0;
    let mut on_seen = |seen: &Seen<'_>| {
        match seen {
            Seen::Finding(finding) => findings.push((*finding).clone()),
            Seen::OffsetEntry { .. } | Seen::TimeEntry { .. } => entries += 1,
            _ => {}
        }
        ControlFlow::Continue(())
    };
    let known = Checkpointed::default();
    let summary = inspect_partition(&real(), &rig.dir(), &known, &mut on_seen).unwrap();
    assert_eq!(findings, []);
    assert_eq!((summary.records, entries), (180, 40 + 42));
    let (log, report) = rig.open(RECORDS, true).unwrap();
    assert_eq!(report.cut, None);
    assert_eq!(
        log.end_offset_for_epoch(LeaderEpoch(2)).unwrap().1,
        Offset(79)
    );
    assert_is_what_was_written(&log.reader());
    log.close().unwrap();
    assert_is_golden(&rig.dir());
}

#[test]
fn kafkas_time_indexes_lead_to_the_first_record_of_a_time() {
    let rig = rig();
    put(&rig, |_| true);
    let (log, _) = rig.open(RECORDS, true).unwrap();
    let limits = DecompressLimits::default();
    let records: Vec<(Timestamp, Offset)> = batches()
        .iter()
        .flat_map(|batch| decompress(batch, &limits).unwrap().records())
        .map(|record| record.unwrap())
        .map(|record| (record.timestamp, record.offset))
        .collect();
    for (wanted, _) in &records {
        let first = records.iter().find(|(at, _)| at >= wanted);
        let found = log
            .reader()
            .offset_for_timestamp(*wanted, Offset(RECORDS))
            .unwrap();
        assert_eq!(found, first.copied(), "{wanted:?}");
    }
}

#[test]
fn indexes_and_epochs_made_anew_are_kafkas_bytes() {
    let rig = rig();
    put(&rig, |name| {
        name.ends_with(".log") || name == "partition.metadata"
    });
    let (log, report) = rig.open(0, false).unwrap();
    assert_eq!(report.cut, None);
    assert_is_what_was_written(&log.reader());
    log.close().unwrap();
    let made = files(&rig.dir());
    let mut compared = 0;
    for (name, bytes) in files(&golden().join("t-0")) {
        if !name.ends_with(".snapshot") {
            assert!(made.get(&name) == Some(&bytes), "{name} differs");
            compared += 1;
        }
    }
    assert_eq!(compared, 3 * 8 + 2);
}

#[test]
fn the_same_appends_make_kafkas_directory_byte_for_byte() {
    let leader = rig();
    let mut log = leader.open(0, false).unwrap().0;
    for batch in batches() {
        let epoch = batch.header().leader_epoch.unwrap();
        log.assign_epoch(epoch, log.log_end().min(batch.header().base_offset))
            .unwrap();
        log.append_as_leader(vec![batch], epoch, LATER).unwrap();
    }
    flush(&mut log);
    log.close().unwrap();
    assert_is_golden(&leader.dir());

    let follower = rig();
    let mut log = follower.open(0, false).unwrap().0;
    let fetched: Vec<Bytes> = batches().into_iter().map(RecordBatch::into_bytes).collect();
    for some in fetched.chunks(7) {
        log.append_as_follower(some.concat().into(), LATER).unwrap();
    }
    log.close().unwrap();
    assert_is_golden(&follower.dir());
}

#[test]
fn kafkas_offset_checkpoint_is_read() {
    let root = tempfile::tempdir().unwrap();
    drop(open_dir(root.path()));
    let name = "replication-offset-checkpoint";
    fs::copy(golden().join(name), root.path().join("logs").join(name)).unwrap();
    let dir = open_dir(root.path());
    for (partition, offset) in [("t-0", 88), ("flights.eu-11", i64::MAX)] {
        let partition = parse_partition_dir(partition).unwrap();
        assert_eq!(dir.high_watermark(&partition), Some(Offset(offset)));
    }
}
