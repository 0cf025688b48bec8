//! A directory with one log, written once, and damaged by each input.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use trimaran_commit_log::{Log, LogConfig, LogDir, parse_partition_dir};
use trimaran_types::record_batch::{BatchBuilder, TimestampType, split};
use trimaran_types::{BrokerId, ClusterId, DirectoryId, LeaderEpoch, Offset, Timestamp, TopicId};
use uuid::Uuid;

use crate::sim_disk::{SimDisk, Tree};

const RECORDS: i64 = 60;
/// The first record was deleted.
const LOG_START: Offset = Offset(1);

fn value(offset: i64) -> Vec<u8> {
    let mut value = offset.to_be_bytes().to_vec();
    value.resize(8 + usize::try_from(offset % 7 * 40).expect("small"), 9);
    value
}

const fn timestamp(offset: i64) -> Timestamp {
    Timestamp(1_700_000_000_000 + offset * 10)
}

/// The records below it were synced when the last process was killed.
const SYNCED_END: Offset = Offset(RECORDS / 2 + 1);

/// A directory as the last process left it.
#[derive(Clone)]
pub struct Directory {
    tree: Tree,
    /// The log's end was noted when it was closed.
    end_is_noted: bool,
}

fn open_dir(disk: &SimDisk) -> Option<LogDir> {
    LogDir::open(
        Arc::new(disk.clone()),
        Path::new("/data"),
        ClusterId::from_uuid(Uuid::from_u128(1)),
        BrokerId(1),
        DirectoryId::from_uuid(Uuid::from_u128(2)),
    )
    .ok()
}

fn open_log(dir: &LogDir) -> Option<Log> {
    let partition = parse_partition_dir("t-0").expect("a name");
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
    let disk = SimDisk::empty();
    let dir = open_dir(&disk).expect("an empty disk opens");
    let mut log = open_log(&dir).expect("a new log opens");
    for offset in 0..RECORDS {
        if offset % 20 == 0 {
            let epoch = LeaderEpoch(i32::try_from(offset / 20).expect("small"));
            log.assign_epoch(epoch, log.log_end()).expect("a new epoch");
        }
        let mut builder = BatchBuilder::new(TimestampType::CreateTime);
        builder
            .push(timestamp(offset), None, Some(&value(offset)), &[])
            .expect("fits");
        let epoch = log.latest_epoch().expect("assigned");
        let batch = builder.build().expect("not empty");
        log.append_as_leader(vec![batch], epoch, timestamp(offset))
            .expect("appends");
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
    dir.write_high_watermarks(&[(parse_partition_dir("t-0").expect("a name"), Offset(3))].into())
        .expect("writes");
    dir.write_log_starts().expect("writes");
    if cleanly {
        dir.mark_clean_shutdown(None).expect("writes");
    }
    drop(dir);
    disk.live()
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

    /// The content of a file in it, by its path below the data directory.
    pub fn file(&mut self, path: &str) -> Option<&mut Vec<u8>> {
        let mut at = *self.tree.dirs[&0].get("data")?;
        for name in path.split('/') {
            at = *self.tree.dirs.get(&at)?.get(name)?;
        }
        Some(Arc::make_mut(self.tree.files.get_mut(&at)?))
    }

    /// The paths of the log's files that end like this, in order.
    pub fn files_of_log(&self, suffix: &str) -> Vec<String> {
        let node = |dir: &usize, name: &str| self.tree.dirs[dir][name];
        let log = node(&node(&node(&0, "data"), "logs"), "t-0");
        let names = self.tree.dirs[&log].keys();
        names
            .filter(|name| name.ends_with(suffix))
            .map(|name| format!("logs/t-0/{name}"))
            .collect()
    }

    /// Opens it and reads everything. What is shown must be what was written, but for the last batch
    /// of a log that was not closed; `all` says that nothing may be missing.
    ///
    /// # Panics
    /// It is not.
    pub fn read_everything(self, all: bool) {
        let noted_end = if self.end_is_noted {
            Offset(i64::MAX)
        } else {
            SYNCED_END
        };
        let disk = SimDisk::holding(self.tree);
        let Some(log) = open_dir(&disk).and_then(|dir| open_log(&dir)) else {
            assert!(!all, "does not open");
            return;
        };
        let reader = log.reader();
        let mut from = reader.log_start();
        let mut count = 0;
        while from < log.log_end() {
            let Ok(bytes) = reader.read(from, Offset(i64::MAX), 1000) else {
                assert!(!all, "cannot be read at {from}");
                from = from.next();
                continue;
            };
            if bytes.is_empty() {
                break;
            }
            for batch in split(bytes) {
                let batch = batch.expect("only good batches are served");
                let end = batch.header().next_offset();
                for record in batch.records().expect("not compressed") {
                    let record = record.expect("a good record");
                    let is = |written: i64| {
                        record.value.as_deref() == Some(&value(written)[..])
                            && record.timestamp == timestamp(written)
                    };
                    let offset = record.offset.0;
                    // Nothing lies behind the last batch that would tell its offset, if nobody has
                    // noted where the log ends: it may be a later one.
                    let may_be_later = end == log.log_end() && end >= noted_end;
                    let is_later = || (offset..RECORDS).any(is);
                    assert!(
                        is(offset) || (may_be_later && is_later()),
                        "offset {offset}"
                    );
                    count += 1;
                }
                from = end;
            }
        }
        assert!(!all || count == RECORDS - LOG_START.0, "{count} records");
        for offset in (LOG_START.0..RECORDS).step_by(11) {
            let found = reader.offset_for_timestamp(timestamp(offset), log.log_end());
            let right = Some((timestamp(offset), Offset(offset)));
            assert!(!all || found.is_ok_and(|found| found == right));
        }
        let latest = Offset(RECORDS - 1);
        let found = reader.offset_of_max_timestamp(log.log_end());
        assert!(!all || found.is_ok_and(|it| it == Some((timestamp(latest.0), latest))));
    }
}
