//! Every kind of file that a log leaves, read by Apache Kafka's own dump tool (`tests/kafka-dump/check`). Where that
//! cannot be run, the files are still written and inspected.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;

use trimaran_commit_log::{
    Checkpointed, Log, LogConfig, LogDir, RealDisk, RoomLimits, Seen, Severity, find_places,
    inspect_checkpoints, inspect_partition, parse_partition_dir,
};
use trimaran_types::record_batch::{BatchBuilder, RecordBatch, TimestampType, TransactionEnd};
use trimaran_types::{BrokerEpoch, LeaderEpoch, Offset, Timestamp, TopicId, TopicPartition};
use uuid::Uuid;

use crate::clean_rig::{Pass, keyed, packed};
use crate::producers::{ended, sent};
use crate::retention::open_dir;
use crate::rig::{NOW, Rig, batch_of, flush, real};

/// Exit code of the check where there is no Java, or no way to Kafka's jars.
const CANNOT_RUN: i32 = 3;

const EPOCH: LeaderEpoch = LeaderEpoch(0);

/// Room from the first flush on.
const EAGER: RoomLimits = RoomLimits {
    bytes_max: 1 << 20,
    chunk_bytes_min: 8192,
    chunk_bytes_max: 8192,
    flushes_min: 1,
};

struct Written {
    dir: LogDir,
    ends: BTreeMap<TopicPartition, Offset>,
}

impl Written {
    fn open(root: &Path) -> Self {
        let mut dir = open_dir(root);
        dir.limit_room(EAGER);
        let ends = BTreeMap::new();
        Self { dir, ends }
    }

    fn log(&self, name: &str, config: LogConfig) -> Log {
        let partition = parse_partition_dir(name).unwrap();
        let topic_id = TopicId::from_uuid(Uuid::from_u128(u128::from(partition.partition.0) + 1));
        let start = self.dir.open_as(&partition, topic_id);
        let path = self.dir.partition_dir(&partition);
        let (mut log, _) = Log::open(self.dir.context(), &path, config, start).unwrap();
        if log.latest_epoch().is_none() {
            log.assign_epoch(EPOCH, Offset::ZERO).unwrap();
        }
        log
    }

    fn close(&mut self, name: &str, mut log: Log) {
        flush(&mut log);
        let partition = parse_partition_dir(name).unwrap();
        self.ends.insert(partition, log.close().unwrap());
    }

    fn stop(self) {
        self.dir.write_recovery_points().unwrap();
        self.dir.write_high_watermarks(&self.ends).unwrap();
        self.dir.write_log_starts().unwrap();
        self.dir.mark_clean_shutdown(Some(BrokerEpoch(7))).unwrap();
    }
}

/// Segments of some batches each.
fn small() -> LogConfig {
    Rig::new().config
}

fn append(log: &mut Log, batch: RecordBatch) {
    log.append_as_leader(vec![batch], EPOCH, NOW).unwrap();
}

/// A batch whose records lack what records may lack.
fn sparse(n: i64) -> RecordBatch {
    let mut builder = BatchBuilder::new(TimestampType::CreateTime);
    let at = Timestamp(NOW.0 + n * 37 % 100);
    let key = format!("key {n}");
    let key = Some(key.as_bytes());
    let trace: &[(&str, Option<&[u8]>)] = &[("trace", Some(b"1")), ("none", None)];
    builder.push(at, key, Some(b"value"), trace).unwrap();
    builder.push(at, key, None, &[]).unwrap();
    builder.push(at, None, Some(b""), &[]).unwrap();
    builder.push(at, None, None, &[("only", None)]).unwrap();
    builder.build().unwrap()
}

/// A log that was killed with zeros ahead of its data.
fn killed(root: &Path) {
    let written = Written::open(root);
    let config = LogConfig {
        segment_bytes: 50_000,
        ..small()
    };
    let mut log = written.log("killed-0", config);
    for n in 0..4 {
        append(&mut log, sparse(n));
        flush(&mut log);
    }
    let path = log.dir().join("00000000000000000000.log");
    assert!(fs::metadata(path).unwrap().len() > log.bytes(), "no room");
}

fn plain_and_compressed(written: &mut Written) {
    let mut log = written.log("plain-1", small());
    for n in 0..100 {
        append(&mut log, packed(&sparse(n), n));
    }
    written.close("plain-1", log);
    let mut log = written.log("large-2", LogConfig::default());
    let value: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    for n in 0..5 {
        append(&mut log, packed(&batch_of(&[&value]), n));
    }
    written.close("large-2", log);
    let config = LogConfig {
        timestamp_type: TimestampType::LogAppendTime,
        ..small()
    };
    let mut log = written.log("append-time-3", config);
    for n in 0..40 {
        append(&mut log, packed(&sparse(n), n));
    }
    written.close("append-time-3", log);
}

fn transactions(written: &mut Written) {
    let mut log = written.log("transactions-4", small());
    let end = |log: &mut Log, producer, end| {
        let marker = ended(producer, end);
        log.append_as_coordinator(vec![marker], EPOCH, NOW).unwrap();
    };
    for round in 0..12 {
        append(&mut log, sent((1, 0), round * 3, 3, false));
        append(&mut log, sent((2, 0), round * 2, 2, true));
        append(&mut log, sent((3, 0), round, 1, true));
        end(&mut log, (2, 0), TransactionEnd::Abort);
        end(&mut log, (3, 0), TransactionEnd::Commit);
    }
    append(&mut log, sent((4, 0), 0, 2, true));
    written.close("transactions-4", log);
}

fn compacted(written: &mut Written) {
    let config = LogConfig {
        compacted: true,
        segment_bytes: 1024,
        ..small()
    };
    let mut log = written.log("compacted-5", config);
    for n in 0..120 {
        let key = format!("k{}", n % 7);
        let value = format!("value {n}");
        let is_tombstone = n % 11 == 0;
        let batch = keyed(&[(&key, (!is_tombstone).then_some(&value))]);
        append(&mut log, packed(&batch, n));
    }
    flush(&mut log);
    let report = Pass::default().run(&mut log).unwrap().unwrap();
    assert!(report.records_dropped > 50, "{report:?}");
    written.close("compacted-5", log);
}

fn retained(written: &mut Written) {
    let mut log = written.log("retained-6", small());
    for n in 0..40 {
        append(&mut log, sparse(n));
    }
    flush(&mut log);
    // In the middle of a batch.
    log.raise_log_start(Offset(110));
    written.dir.write_log_starts().unwrap();
    let deleted = log.delete_segments(log.log_start()).unwrap().unwrap();
    deleted.remove().unwrap();
    written.close("retained-6", log);
}

/// Writes it all and stops cleanly.
fn write(root: &Path) {
    killed(root);
    let mut written = Written::open(root);
    let mut log = written.log("killed-0", small());
    append(&mut log, sparse(4));
    written.close("killed-0", log);
    plain_and_compressed(&mut written);
    transactions(&mut written);
    compacted(&mut written);
    retained(&mut written);
    written.stop();
}

/// What inspection here finds.
#[derive(Debug, Default)]
struct Inspected {
    /// Those with batches.
    segments: usize,
    batches: u64,
    records: u64,
    aborted: usize,
    producers: usize,
    kinds: BTreeSet<String>,
}

impl Inspected {
    fn of(root: &Path) -> Self {
        let mut all = Self::default();
        let places = find_places(&RealDisk, root).unwrap();
        let checkpoints = inspect_checkpoints(&RealDisk, &root.join("logs")).unwrap();
        for dir in places.partitions {
            let name = dir.file_name().unwrap().to_str().unwrap();
            let partition = parse_partition_dir(name).unwrap();
            all.add(&dir, &Checkpointed::of(&checkpoints, &partition));
        }
        all
    }

    fn add(&mut self, dir: &Path, known: &Checkpointed) {
        let mut on_seen = |seen: &Seen<'_>| {
            self.aborted += usize::from(matches!(seen, Seen::Aborted(_)));
            self.producers += usize::from(matches!(seen, Seen::Producer(_)));
            ControlFlow::Continue(())
        };
        let summary = inspect_partition(&real(), dir, known, &mut on_seen).unwrap();
        assert!(summary.worst <= Some(Severity::Note), "{summary:?}");
        self.batches += summary.batches;
        self.records += summary.records;
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            let bytes = entry.metadata().unwrap().len();
            let kind = path.extension().unwrap_or(path.file_name().unwrap());
            let kind = kind.to_str().unwrap().to_owned();
            self.segments += usize::from(kind == "log" && bytes > 0);
            self.kinds.extend((bytes > 0).then_some(kind));
        }
    }
}

#[test]
fn kafka_reads_every_kind_of_file() {
    let root = tempfile::tempdir().unwrap();
    write(root.path());
    let ours = Inspected::of(root.path());
    assert!(ours.aborted == 12 && ours.producers > 4, "{ours:?}");
    let expected = [
        "gaps-allowed",
        "index",
        "leader-epoch-checkpoint",
        "log",
        "metadata",
        "snapshot",
        "timeindex",
        "txnindex",
        "txnindex-checksums",
    ];
    assert!(ours.kinds.iter().eq(expected.iter()), "{ours:?}");
    let check = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/kafka-dump/check");
    let output = Command::new(check).arg(root.path()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() == Some(CANNOT_RUN) {
        println!("skipped: {errors}");
        return;
    }
    assert!(output.status.success(), "{errors}");
    let Inspected {
        segments,
        batches,
        records,
        aborted,
        producers,
        ..
    } = ours;
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!(
            "Kafka has read {segments} segments, {batches} batches, {records} records, \
             {aborted} aborted transactions, {producers} producers in snapshots\n"
        )
    );
}
