//! [`Promises`]: what each log owes at each moment, and the check that a disk keeps it.
//!
//! A log owes its records below the flushed end, bit for bit, and may show more of what was
//! appended, in order, up to any batch. It may show nothing else. While it is being cut it may
//! stand before or after the cut.

use std::path::Path;
use std::sync::Arc;

use trimaran_commit_log::{
    Disk, EpochStart, JournalLimits, Log, LogConfig, LogDir, OpenError, RecoveryReport, RoomLimits,
    parse_partition_dir,
};
use trimaran_types::record_batch::split;
use trimaran_types::{
    BrokerId, ClusterId, DirectoryId, LeaderEpoch, Offset, TopicId, TopicPartition,
};
use uuid::Uuid;

use crate::sim_disk::SimDisk;

pub(crate) const DATA_DIR: &str = "/data";

/// Room from the first flush on, several chunks in a segment.
pub(crate) const ROOM: RoomLimits = RoomLimits {
    bytes_max: 1 << 20,
    chunk_bytes_min: 5000,
    chunk_bytes_max: 5000,
    flushes_min: 1,
};
/// The log that may have gaps.
const COMPACTED: usize = 2;

/// Small segments, so that logs roll; a page of index now and then.
pub(crate) fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 12_000,
        index_interval_bytes: 500,
        tail_bytes_max: 0,
        ..LogConfig::default()
    }
}

pub(crate) fn topic_id(generation: usize) -> TopicId {
    TopicId::from_uuid(Uuid::from_u128(0x1000 + generation as u128))
}

pub(crate) fn partition(number: usize) -> TopicPartition {
    parse_partition_dir(&format!("t-{number}")).unwrap()
}

/// Offset, epoch, value.
pub(crate) type Record = (i64, i32, Arc<[u8]>);

/// Records that a log may hold, from its start.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Branch {
    pub(crate) start: i64,
    pub(crate) records: Arc<Vec<Record>>,
}

impl std::fmt::Debug for Branch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}..{}", self.start, self.end())
    }
}

impl Branch {
    pub(crate) fn end(&self) -> i64 {
        self.start + i64::try_from(self.records.len()).unwrap()
    }

    pub(crate) fn cut(&self, end: i64) -> Self {
        let kept = usize::try_from(end - self.start).unwrap();
        Self {
            start: self.start,
            records: Arc::new(self.records[..kept].to_vec()),
        }
    }
}

/// What one log owes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Promise {
    /// Which topic of the name it belongs to.
    pub(crate) generation: usize,
    /// Everything below it is synced; `None` when the log itself need not be there.
    pub(crate) flushed_end: Option<i64>,
    /// It holds a part of one of these, from its start.
    pub(crate) allowed: Vec<Branch>,
    /// It is being emptied: it may be empty, at any start, and may lack records at its front.
    pub(crate) may_be_empty: bool,
    /// It is being deleted: it may be called corrupt, but it may not show anything wrong.
    pub(crate) is_going: bool,
}

/// What all logs owe, as a function of how many changes the disk has seen.
#[derive(Debug, Default, Clone)]
pub(crate) struct Promises {
    by_ops: Vec<(usize, Arc<Vec<Promise>>)>,
}

impl Promises {
    pub(crate) fn set(&mut self, ops: usize, promises: &[Promise]) {
        self.by_ops.push((ops, Arc::new(promises.to_vec())));
    }

    /// The number of those that are in force after so many changes.
    pub(crate) fn number_after(&self, ops: usize) -> usize {
        self.by_ops.partition_point(|(at, _)| *at <= ops)
    }

    /// In force after so many changes.
    pub(crate) fn after(&self, ops: usize) -> Arc<Vec<Promise>> {
        let later = self.number_after(ops);
        let found = later.checked_sub(1).map(|at| &self.by_ops[at].1);
        found.cloned().unwrap_or_default()
    }
}

pub(crate) fn open_dir(disk: &SimDisk) -> Result<LogDir, trimaran_commit_log::LogDirError> {
    let mut dir = LogDir::open(
        Arc::new(disk.clone()),
        Path::new(DATA_DIR),
        ClusterId::from_uuid(Uuid::from_u128(1)),
        BrokerId(1),
        DirectoryId::from_uuid(Uuid::from_u128(2)),
    )?;
    dir.limit_room(ROOM);
    Ok(dir)
}

/// Halves that are full after a few flushes, so that they are begun anew many times.
pub(crate) const JOURNAL: JournalLimits = JournalLimits {
    half_bytes: 8 * 4096,
    flush_bytes_end: 9000,
    chunk_bytes: 2 * 4096,
    kept_bytes_max: 20_000,
};

/// The same with a journal in front of the logs.
pub(crate) fn open_journalled(disk: &SimDisk) -> Result<LogDir, trimaran_commit_log::LogDirError> {
    let mut dir = open_dir(disk)?;
    dir.use_journal(JOURNAL)?;
    Ok(dir)
}

pub(crate) fn open_log(
    dir: &LogDir,
    number: usize,
    generation: usize,
) -> Result<(Log, RecoveryReport), trimaran_commit_log::OpenError> {
    let partition = partition(number);
    let start = dir.open_as(&partition, topic_id(generation));
    let path = dir.partition_dir(&partition);
    // One log grows as it is written, the others have room. What is missing between the segments of
    // a compacted one is as lost as anywhere else.
    let config = LogConfig {
        preallocate: number > 0,
        compacted: number == COMPACTED,
        ..config()
    };
    Log::open(dir.context(), &path, config, start)
}

/// All that a log shows to readers.
pub(crate) fn read_all(log: &Log) -> Result<Vec<Record>, String> {
    let reader = log.reader();
    let mut records = Vec::new();
    let mut from = reader.log_start();
    while from < log.log_end() {
        let bytes = reader
            .read(from, Offset(i64::MAX), 5000)
            .map_err(|error| format!("read from {from}: {error}"))?;
        if bytes.is_empty() {
            return Err(format!("nothing at {from}, the end is {}", log.log_end()));
        }
        for batch in split(bytes) {
            let batch = batch.map_err(|error| format!("served a bad batch: {error}"))?;
            let epoch = batch.header().leader_epoch.map_or(-1, |epoch| epoch.0);
            for record in batch.records().map_err(|error| error.to_string())? {
                let record = record.map_err(|error| error.to_string())?;
                let value: Arc<[u8]> = Arc::from(&record.value.unwrap_or_default()[..]);
                records.push((record.offset.0, epoch, value));
                from = record.offset.next();
            }
        }
    }
    Ok(records)
}

/// What a disk that was recovered amounts to.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    pub(crate) ends: Vec<i64>,
    pub(crate) cuts: usize,
    pub(crate) cuts_before_good_batches: usize,
    /// Logs that had room.
    pub(crate) rooms: usize,
    /// Writes that put in place what a journal had.
    pub(crate) replays: usize,
}

/// Recovers every log of the disk and checks what it owes. `again` recovers a second time, which
/// must change nothing.
pub(crate) fn check(
    disk: &SimDisk,
    promises: &[Promise],
    again: bool,
) -> Result<Recovered, String> {
    let mut recovered = Recovered::default();
    {
        let written = disk.segment_writes();
        let dir = open_dir(disk).map_err(|error| format!("directory: {error:?}"))?;
        recovered.replays = disk.segment_writes() - written;
        for (number, promise) in promises.iter().enumerate() {
            let (log, report) = match open_log(&dir, number, promise.generation) {
                Err(OpenError::Corrupt { .. }) if promise.is_going => continue,
                opened => opened.map_err(|error| format!("log {number}: {error:?}"))?,
            };
            check_log(&log, promise)
                .and_then(|()| check_no_room(disk, &log))
                .map_err(|error| format!("log {number}: {error} ({report:?})"))?;
            recovered.ends.push(log.log_end().0);
            recovered.rooms += usize::from(report.room_bytes > 0);
            if let Some(cut) = report.cut {
                recovered.cuts += 1;
                recovered.cuts_before_good_batches += usize::from(cut.good_batches_follow);
            }
        }
    }
    if again {
        let second = check(disk, promises, false).map_err(|error| format!("again: {error}"))?;
        if second.ends != recovered.ends || second.cuts + second.rooms + second.replays > 0 {
            return Err(format!("again: {second:?} after {recovered:?}"));
        }
    }
    Ok(recovered)
}

fn check_log(log: &Log, promise: &Promise) -> Result<(), String> {
    let (start, end) = (log.log_start().0, log.log_end().0);
    let records = read_all(log)?;
    let offsets = records.iter().map(|record| record.0);
    if !offsets.eq(start..end) {
        return Err(format!("offsets from {start} to {end} have a hole"));
    }
    if promise.flushed_end.is_some_and(|flushed| end < flushed) {
        return Err(format!("ends at {end}, promised {:?}", promise.flushed_end));
    }
    let fits = |branch: &Branch| {
        // While all of it goes, its front may be gone already.
        let front = usize::try_from(start - branch.start).unwrap_or(usize::MAX);
        let rest = branch.records.get(front..);
        (front == 0 || promise.may_be_empty) && rest.is_some_and(|rest| rest.starts_with(&records))
    };
    let is_empty = records.is_empty() && (promise.may_be_empty || promise.flushed_end.is_none());
    if !is_empty && !promise.allowed.iter().any(fits) {
        let ends: Vec<_> = promise.allowed.iter().map(|b| (b.start, b.end())).collect();
        return Err(format!(
            "{start} to {end} holds what was never there: {ends:?}"
        ));
    }
    check_epochs(log, &records)
}

/// A log that was opened has no room yet: its files are as long as its data.
fn check_no_room(disk: &SimDisk, log: &Log) -> Result<(), String> {
    let entries = disk.list(log.dir()).map_err(|error| error.to_string())?;
    let segments = entries.iter().filter(|entry| entry.name.ends_with(".log"));
    let bytes: u64 = segments.map(|entry| entry.bytes).sum();
    if bytes == log.bytes() {
        Ok(())
    } else {
        Err(format!(
            "files of {bytes} bytes for {} of data",
            log.bytes()
        ))
    }
}

/// The epochs are those of the records; behind them may stand one that has no record.
fn check_epochs(log: &Log, records: &[Record]) -> Result<(), String> {
    let mut expected: Vec<EpochStart> = Vec::new();
    for (offset, epoch, _) in records {
        if expected.last().is_none_or(|last| last.epoch.0 != *epoch) {
            expected.push(EpochStart {
                epoch: LeaderEpoch(*epoch),
                start: Offset(*offset),
            });
        }
    }
    let entries = log.epochs().entries();
    let with_records = entries.partition_point(|entry| entry.start < log.log_end());
    if entries[..with_records] == expected && entries.len() <= with_records + 1 {
        Ok(())
    } else {
        Err(format!("epochs {entries:?}, the records say {expected:?}"))
    }
}
