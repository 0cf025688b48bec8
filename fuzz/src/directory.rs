//! A directory with one log, written once, and damaged by each input.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use trimaran_commit_log::{Log, LogConfig, LogDir, parse_partition_dir};
use trimaran_types::record_batch::{
    BatchBuilder, BatchProducer, EndMarker, Record, RecordBatch, TimestampType, TransactionEnd,
};
use trimaran_types::{
    BrokerId, ClusterId, DirectoryId, LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp,
    TopicId, TopicPartition,
};
use uuid::Uuid;

use crate::memory_disk::{MemoryDisk, Tree};

/// Where the directory is on its disk.
const ROOT: &str = "/data";
const LOG: &str = "logs/t-0";

pub(crate) const RECORDS: i64 = 60;
/// The first record was deleted.
pub(crate) const LOG_START: Offset = Offset(1);
/// From here on one producer counts its batches.
const COUNTED_FROM: i64 = 20;
/// Another one's transaction, and the marker that aborts it.
pub(crate) const TRANSACTION: Offset = Offset(40);
pub(crate) const MARKER: Offset = Offset(44);
pub(crate) const ABORTED: ProducerId = ProducerId(7);

/// The records below it were synced when the last process was killed.
pub(crate) const SYNCED_END: Offset = Offset(RECORDS / 2 + 1);

/// What the code holds for this directory when nothing in it is damaged, about twice as many bytes as
/// were measured: its files, some 12 KiB, as they are read and as the disk has them when they were
/// written anew; the state of one log and of each open file; blocks of 4 KiB of a walk over headers, 256
/// entries of an index of transactions.
pub const DIRECTORY_BYTES: usize = 32 * 1024;

fn value(offset: i64) -> Vec<u8> {
    let mut value = offset.to_be_bytes().to_vec();
    value.resize(8 + usize::try_from(offset % 7 * 40).expect("small"), 9);
    value
}

pub(crate) const fn timestamp(offset: i64) -> Timestamp {
    Timestamp(1_700_000_000_000 + offset * 10)
}

/// Whether a record is the one that was written at `offset`.
pub(crate) fn is_written(record: &Record, is_control: bool, offset: i64) -> bool {
    let is_marker = offset == MARKER.0;
    record.timestamp == timestamp(offset)
        && is_control == is_marker
        && (is_marker || record.value.as_deref() == Some(&value(offset)[..]))
}

fn batch(offset: i64) -> RecordBatch {
    let epoch = ProducerEpoch(0);
    if offset == MARKER.0 {
        let marker = EndMarker {
            end: TransactionEnd::Abort,
            coordinator_epoch: 0,
            timestamp: timestamp(offset),
        };
        return marker.to_batch(ABORTED, epoch);
    }
    let plain = BatchBuilder::new(TimestampType::CreateTime);
    let sequence = |from: i64| i32::try_from(offset - from).expect("small");
    let by = |id, base_sequence| BatchProducer {
        id,
        epoch,
        base_sequence,
    };
    let mut builder = match offset {
        ..COUNTED_FROM => plain,
        40..44 => {
            let producer = by(ABORTED, sequence(TRANSACTION.0));
            plain.producer(producer).transactional()
        }
        ..40 => plain.producer(by(ProducerId(5), sequence(COUNTED_FROM))),
        _ => plain.producer(by(ProducerId(5), sequence(COUNTED_FROM + 5))),
    };
    builder
        .push(timestamp(offset), None, Some(&value(offset)), &[])
        .expect("fits");
    builder.build().expect("not empty")
}

pub(crate) fn partition() -> TopicPartition {
    parse_partition_dir("t-0").expect("a name")
}

pub(crate) fn open_dir(disk: &MemoryDisk) -> Option<LogDir> {
    LogDir::open(
        Arc::new(disk.clone()),
        Path::new(ROOT),
        ClusterId::from_uuid(Uuid::from_u128(1)),
        BrokerId(1),
        DirectoryId::from_uuid(Uuid::from_u128(2)),
    )
    .ok()
}

pub(crate) fn open_log(dir: &LogDir) -> Option<Log> {
    let partition = partition();
    let start = dir.open_as(&partition, TopicId::from_uuid(Uuid::from_u128(3)));
    let config = LogConfig {
        segment_bytes: 4096,
        index_interval_bytes: 200,
        tail_bytes_max: 0,
        ..LogConfig::default()
    };
    let path = dir.partition_dir(&partition);
    Log::open(dir.context(), &path, config, start)
        .ok()
        .map(|(log, _)| log)
}

fn write(cleanly: bool) -> Tree {
    let disk = MemoryDisk::default();
    let dir = open_dir(&disk).expect("an empty disk opens");
    let mut log = open_log(&dir).expect("a new log opens");
    for offset in 0..RECORDS {
        if offset % 20 == 0 {
            let epoch = LeaderEpoch(i32::try_from(offset / 20).expect("small"));
            log.assign_epoch(epoch, log.log_end()).expect("a new epoch");
        }
        let epoch = log.latest_epoch().expect("assigned");
        let (sent, now) = (vec![batch(offset)], timestamp(offset));
        let appended = if offset == MARKER.0 {
            log.append_as_coordinator(sent, epoch, now)
        } else {
            log.append_as_leader(sent, epoch, now)
        };
        appended.expect("appends");
        if offset == RECORDS / 2 {
            let request = log
                .begin_checkpoint()
                .expect("writes")
                .expect("new records");
            log.flushed(&request.token());
        }
    }
    log.raise_log_start(LOG_START);
    if cleanly {
        log.close().expect("closes");
    }
    dir.write_recovery_points().expect("writes");
    dir.write_high_watermarks(&[(partition(), Offset(3))].into())
        .expect("writes");
    dir.write_log_starts().expect("writes");
    if cleanly {
        dir.mark_clean_shutdown(None).expect("writes");
    }
    drop(dir);
    disk.tree()
}

/// A directory as the last process left it.
#[derive(Debug, Clone)]
pub struct Directory {
    pub(crate) tree: Tree,
    /// The log's end was noted when it was closed.
    pub(crate) end_is_noted: bool,
}

impl Directory {
    /// After a clean stop, or after a crash with half of the log beyond the recovery point.
    pub fn stopped(cleanly: bool) -> Self {
        static TREES: OnceLock<[Tree; 2]> = OnceLock::new();
        let trees = TREES.get_or_init(|| [write(false), write(true)]);
        Self {
            tree: trees[usize::from(cleanly)].clone(),
            end_is_noted: cleanly,
        }
    }

    /// Puts a file there, by its path below the data directory.
    pub fn put(&mut self, path: &str, content: Vec<u8>) {
        self.tree.put(&Path::new(ROOT).join(path), content);
    }

    /// The content of a file that is there, by the same.
    pub fn file(&mut self, path: &str) -> Option<&mut Vec<u8>> {
        self.tree.file_mut(&Path::new(ROOT).join(path))
    }

    /// Takes a file away, by the same.
    pub fn remove(&mut self, path: &str) {
        self.tree.remove(&Path::new(ROOT).join(path));
    }

    /// The paths of the log's files that end like this, in order.
    pub fn files_of_log(&self, suffix: &str) -> Vec<String> {
        let names = self.tree.files_in(&log_dir()).filter_map(|(path, _)| {
            let name = path.file_name()?.to_str()?;
            name.ends_with(suffix).then(|| format!("{LOG}/{name}"))
        });
        names.collect()
    }

    /// Bytes of all files: the input of whoever opens the directory.
    pub fn bytes(&self) -> usize {
        self.tree.bytes()
    }
}

pub(crate) fn logs_dir() -> PathBuf {
    Path::new(ROOT).join("logs")
}

pub(crate) fn log_dir() -> PathBuf {
    Path::new(ROOT).join(LOG)
}
