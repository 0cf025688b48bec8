//! What the tests share: a directory, batches, and disks that fail or wait on command.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tempfile::TempDir;
use trimaran_commit_log::{
    Disk, DiskDir, DiskEntry, DiskFile, JournalLimits, Log, LogConfig, LogContext, LogReader,
    OpenAs, OpenError, OpenHow, RealDisk, RecoveryReport, RoomBudget, RoomLimits,
};
use trimaran_types::record_batch::{BatchBuilder, RecordBatch, TimestampType, split};
use trimaran_types::{LeaderEpoch, Offset, Timestamp, TopicId};

pub(crate) const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// The operating system's file system.
pub(crate) fn real() -> Arc<dyn Disk> {
    Arc::new(RealDisk)
}

pub(crate) fn topic_id() -> TopicId {
    "rYY3nnFSTqSSPHTTP0qT-g".parse().unwrap()
}

/// A batch with these values, one record each.
pub(crate) fn batch_of(values: &[&[u8]]) -> RecordBatch {
    batch_at(
        &values
            .iter()
            .map(|value| (NOW.0, *value))
            .collect::<Vec<_>>(),
    )
}

/// A batch with these timestamps and values.
pub(crate) fn batch_at(records: &[(i64, &[u8])]) -> RecordBatch {
    let mut builder = BatchBuilder::new(TimestampType::CreateTime);
    for (timestamp, value) in records {
        builder
            .push(Timestamp(*timestamp), None, Some(value), &[])
            .unwrap();
    }
    builder.build().unwrap()
}

/// Offset, epoch, value of every record in `bytes`.
pub(crate) fn records_in(bytes: Bytes) -> Vec<(i64, i32, Vec<u8>)> {
    let mut records = Vec::new();
    for batch in split(bytes) {
        let batch = batch.unwrap();
        let epoch = batch.header().leader_epoch.unwrap().0;
        for record in batch.records().unwrap() {
            let record = record.unwrap();
            records.push((record.offset.0, epoch, record.value.unwrap().to_vec()));
        }
    }
    records
}

/// The first of these that has the largest timestamp: timestamp and offset.
pub(crate) fn first_latest(records: impl Iterator<Item = (i64, i64)>) -> Option<(i64, i64)> {
    records.min_by_key(|(time, offset)| (std::cmp::Reverse(*time), *offset))
}

/// Everything that a reader gives, in small reads.
pub(crate) fn read_all(reader: &LogReader, bytes_max: usize) -> Vec<(i64, i32, Vec<u8>)> {
    let mut all = Vec::new();
    let mut from = reader.log_start();
    loop {
        let bytes = reader.read(from, Offset(i64::MAX), bytes_max).unwrap();
        if bytes.is_empty() {
            return all;
        }
        let records = records_in(bytes);
        from = Offset(records.last().unwrap().0 + 1);
        all.extend(records);
    }
}

/// A directory with one log.
pub(crate) struct Rig {
    pub(crate) root: TempDir,
    pub(crate) config: LogConfig,
    /// What the log start checkpoint says when a log is opened.
    pub(crate) log_start: Option<Offset>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) room: RoomLimits,
    /// The directory has a journal.
    pub(crate) journal: Option<JournalLimits>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::on(Arc::new(RealDisk))
    }

    pub(crate) fn on(disk: Arc<dyn Disk>) -> Self {
        let config = LogConfig {
            segment_bytes: 2048,
            index_interval_bytes: 200,
            tail_bytes_max: 0,
            ..LogConfig::default()
        };
        Self {
            root: tempfile::tempdir().unwrap(),
            config,
            log_start: None,
            disk,
            room: RoomLimits::default(),
            journal: None,
        }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.root.path().join("t-0")
    }

    pub(crate) fn context(&self) -> LogContext {
        let context = LogContext {
            room: Arc::new(RoomBudget::new(self.room)),
            ..LogContext::standalone(Arc::clone(&self.disk), self.root.path())
        };
        match self.journal {
            Some(limits) => context.with_journal(self.root.path(), limits).unwrap(),
            None => context,
        }
    }

    pub(crate) fn open(
        &self,
        recovery_point: i64,
        clean_shutdown: bool,
    ) -> Result<(Log, RecoveryReport), OpenError> {
        let start = OpenAs {
            topic_id: topic_id(),
            recovery_point: Offset(recovery_point),
            log_start: self.log_start,
            clean_shutdown,
        };
        Log::open(&self.context(), &self.dir(), self.config.clone(), start)
    }

    /// A new log in epoch 0.
    pub(crate) fn fresh(&self) -> Log {
        let (mut log, _) = self.open(0, false).unwrap();
        log.assign_epoch(LeaderEpoch(0), Offset::ZERO).unwrap();
        log
    }

    /// Appends `count` batches of one record each and returns the values.
    pub(crate) fn fill(&self, log: &mut Log, count: usize, bytes: usize) {
        let epoch = log.latest_epoch().unwrap();
        for number in 0..count {
            let value = vec![u8::try_from(number % 251).unwrap(); bytes];
            log.append_as_leader(vec![batch_of(&[&value])], epoch, NOW)
                .unwrap();
        }
    }

    /// Base offset and path of each segment's log file.
    pub(crate) fn segments(&self) -> BTreeMap<i64, PathBuf> {
        segment_files(&self.dir(), "log")
    }
}

pub(crate) fn segment_files(dir: &Path, extension: &str) -> BTreeMap<i64, PathBuf> {
    std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .map(|path| {
            (
                path.file_stem().unwrap().to_str().unwrap().parse().unwrap(),
                path,
            )
        })
        .collect()
}

/// Flushes a log on this thread.
pub(crate) fn flush(log: &mut Log) {
    while let Some(request) = log.begin_flush() {
        request
            .files
            .iter()
            .for_each(|file| file.sync_data().unwrap());
        log.flushed(&request.token());
    }
}

/// What the next calls of a [`FaultyDisk`] do.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// Fails every `sync_data` and `sync_dir` while set.
    pub(crate) sync: AtomicBool,
    pub(crate) syncs: AtomicUsize,
    pub(crate) reads: AtomicUsize,
    /// Every directory that was synced.
    pub(crate) dirs_synced: Mutex<Vec<PathBuf>>,
    /// Fails opening and cutting indexes with this error while there.
    pub(crate) indexes: Mutex<Option<io::ErrorKind>>,
    /// Fails making snapshots of producers with this error while there.
    pub(crate) snapshots: Mutex<Option<io::ErrorKind>>,
    /// Fails the next write with this error, after so many of its bytes.
    pub(crate) write: Mutex<Option<(io::ErrorKind, usize)>>,
    /// Fails renames with this error, after so many good ones.
    pub(crate) renames: Mutex<Option<(io::ErrorKind, usize)>>,
    /// Fails the write after this many more.
    pub(crate) writes_before: AtomicUsize,
    /// When there, a sync announces itself on the first and waits for the second.
    pub(crate) gate: Mutex<Option<Gate>>,
}

#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) entered: std::sync::mpsc::Sender<()>,
    pub(crate) release: Arc<Mutex<std::sync::mpsc::Receiver<()>>>,
}

impl Faults {
    fn on_sync(&self) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::SeqCst);
        let gate = self
            .gate
            .lock()
            .unwrap()
            .as_ref()
            .map(|g| (g.entered.clone(), Arc::clone(&g.release)));
        if let Some((entered, release)) = gate {
            entered.send(()).unwrap();
            release.lock().unwrap().recv().unwrap();
        }
        if self.sync.load(Ordering::SeqCst) {
            Err(io::Error::from_raw_os_error(5))
        } else {
            Ok(())
        }
    }
}

/// The real file system, with faults.
#[derive(Debug, Default)]
pub(crate) struct FaultyDisk {
    pub(crate) faults: Arc<Faults>,
}

#[derive(Debug)]
struct FaultyFile {
    file: Arc<dyn DiskFile>,
    faults: Arc<Faults>,
}

#[derive(Debug)]
struct FaultyDir {
    dir: Box<dyn DiskDir>,
    path: PathBuf,
    faults: Arc<Faults>,
}

impl Disk for FaultyDisk {
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn DiskFile>> {
        let is_index = path
            .extension()
            .is_some_and(|e| e == "index" || e == "timeindex");
        if let Some(kind) = *self.faults.indexes.lock().unwrap()
            && is_index
        {
            return Err(kind.into());
        }
        let makes_snapshot =
            how == OpenHow::Empty && path.extension().is_some_and(|e| e == "snapshot");
        if let Some(kind) = *self.faults.snapshots.lock().unwrap()
            && makes_snapshot
        {
            return Err(kind.into());
        }
        let file = RealDisk.open(path, how)?;
        Ok(Arc::new(FaultyFile {
            file,
            faults: Arc::clone(&self.faults),
        }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_dir(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DiskEntry>> {
        RealDisk.list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if let Some((kind, left)) = &mut *self.faults.renames.lock().unwrap() {
            if *left == 0 {
                return Err((*kind).into());
            }
            *left -= 1;
        }
        RealDisk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_dir(path)
    }

    fn open_dir(&self, dir: &Path) -> io::Result<Box<dyn DiskDir>> {
        Ok(Box::new(FaultyDir {
            dir: RealDisk.open_dir(dir)?,
            path: dir.to_owned(),
            faults: Arc::clone(&self.faults),
        }))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        RealDisk.lock(path)
    }
}

impl DiskDir for FaultyDir {
    fn sync(&self) -> io::Result<()> {
        self.faults.on_sync()?;
        let mut synced = self.faults.dirs_synced.lock().unwrap();
        synced.push(self.path.clone());
        self.dir.sync()
    }
}

impl DiskFile for FaultyFile {
    fn read_at(&self, position: u64, bytes_max: usize, into: &mut Vec<u8>) -> io::Result<usize> {
        self.faults.reads.fetch_add(1, Ordering::SeqCst);
        self.file.read_at(position, bytes_max, into)
    }

    fn write_all_at(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        let mut fault = self.faults.write.lock().unwrap();
        if fault.is_some() {
            let left = self.faults.writes_before.load(Ordering::SeqCst);
            if left == 0 {
                let (kind, written) = fault.take().unwrap();
                self.file
                    .write_all_at(position, &bytes[..written.min(bytes.len())])?;
                return Err(kind.into());
            }
            self.faults.writes_before.store(left - 1, Ordering::SeqCst);
        }
        self.file.write_all_at(position, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.faults.on_sync()?;
        self.file.sync_data()
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.file.truncate(bytes)
    }

    fn bytes(&self) -> io::Result<u64> {
        self.file.bytes()
    }

    fn forget_cached(&self) {
        self.file.forget_cached();
    }
}
