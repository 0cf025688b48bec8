//! [`Scene`]: a directory as a process left it that closed its logs or died, and [`Maker`], the owner
//! who makes one.

use trimaran_commit_log::{FlushRequest, Log, LogConfig, LogDir, OpenError};
use trimaran_types::record_batch::{BatchBuilder, RecordBatch, TimestampType};
use trimaran_types::{LeaderEpoch, Offset, Timestamp};

use crate::promises::{open_dir, partition, topic_id};
use crate::sim_disk::{SimDisk, Tree};

pub(super) const EPOCH: LeaderEpoch = LeaderEpoch(0);

/// How the process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// It closed everything.
    Clean,
    /// It was killed, some time after its last checkpoint.
    Killed,
}

/// A directory.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) name: String,
    pub(super) tree: Tree,
    pub(super) logs: usize,
    pub(super) config: LogConfig,
    /// Offsets may have gaps.
    pub(super) has_gaps: bool,
    /// What lies before it is not walked by a start.
    pub(super) walked_from: i64,
    /// Which files are to be flipped, by their path.
    pub(super) is_flipped: fn(&str) -> bool,
}

pub(super) const fn time(offset: i64) -> Timestamp {
    Timestamp(1_700_000_000_000 + offset * 10)
}

impl Scene {
    pub(super) fn begin(name: &str, logs: usize, config: LogConfig) -> Maker {
        let disk = SimDisk::empty();
        let dir = open_dir(&disk).unwrap();
        let scene = Self {
            name: name.to_owned(),
            tree: Tree::default(),
            logs,
            has_gaps: config.compacted,
            config,
            walked_from: i64::MAX,
            is_flipped: |_| true,
        };
        let open = |number| {
            let mut log = scene.open(&dir, number).unwrap();
            log.assign_epoch(EPOCH, Offset::ZERO).unwrap();
            log
        };
        Maker {
            logs: (0..logs).map(open).collect(),
            scene,
            disk,
            dir,
        }
    }

    pub(super) fn open(&self, dir: &LogDir, number: usize) -> Result<Log, OpenError> {
        let start = dir.open_as(&partition(number), topic_id(0));
        let path = dir.partition_dir(&partition(number));
        let config = LogConfig {
            preallocate: number > 0,
            ..self.config.clone()
        };
        Log::open(dir.context(), &path, config, start).map(|opened| opened.0)
    }
}

pub(super) fn config(segment_bytes: u64) -> LogConfig {
    LogConfig {
        segment_bytes,
        index_interval_bytes: 250,
        tail_bytes_max: 0,
        ..LogConfig::default()
    }
}

/// The owner of a directory that is to become a scene.
pub(super) struct Maker {
    pub(super) scene: Scene,
    pub(super) disk: SimDisk,
    dir: LogDir,
    pub(super) logs: Vec<Log>,
}

fn sync(log: &mut Log, request: &FlushRequest) {
    request
        .files
        .iter()
        .for_each(|file| file.sync_data().unwrap());
    log.flushed(&request.token());
}

impl Maker {
    pub(super) fn append(&mut self, number: usize, batch: RecordBatch) {
        let log = &mut self.logs[number];
        let (epoch, now) = (log.latest_epoch().unwrap(), time(log.log_end().0));
        let appended = if batch.header().attributes.is_control() {
            log.append_as_coordinator(vec![batch], epoch, now)
        } else {
            log.append_as_leader(vec![batch], epoch, now)
        };
        assert!(!appended.unwrap().batches[0].is_duplicate);
    }

    pub(super) fn end(&self) -> i64 {
        self.logs[0].log_end().0
    }

    pub(super) fn flush(&mut self) {
        for log in &mut self.logs {
            if let Some(request) = log.begin_flush() {
                sync(log, &request);
            }
        }
    }

    pub(super) fn checkpoint(&mut self) {
        for log in &mut self.logs {
            if let Some(request) = log.begin_checkpoint().unwrap() {
                sync(log, &request);
            }
        }
        self.dir.write_recovery_points().unwrap();
        self.scene.walked_from = self.end();
    }

    pub(super) fn stop(mut self, stop: Stop) -> Scene {
        self.flush();
        let ends = (0..self.scene.logs).map(|n| (partition(n), self.logs[n].log_end()));
        self.dir.write_high_watermarks(&ends.collect()).unwrap();
        self.dir.write_log_starts().unwrap();
        self.dir.fill_reserve(100).unwrap();
        if stop == Stop::Clean {
            for log in std::mem::take(&mut self.logs) {
                log.close().unwrap();
            }
            self.dir.write_recovery_points().unwrap();
            self.dir.mark_clean_shutdown(None).unwrap();
            self.scene.walked_from = i64::MAX;
        }
        drop((self.logs, self.dir));
        self.scene.name = format!("{}, {stop:?}", self.scene.name);
        self.scene.tree = self.disk.live();
        self.scene
    }
}

/// A batch of one record for each value, of which the first will be at `base`.
pub(super) fn batch(
    builder: BatchBuilder,
    base: i64,
    records: &[(Option<&str>, Option<Vec<u8>>)],
) -> RecordBatch {
    let mut builder = builder;
    for (offset, (key, value)) in (base..).zip(records) {
        let key = key.map(str::as_bytes);
        builder
            .push(time(offset), key, value.as_deref(), &[])
            .unwrap();
    }
    builder.build().unwrap()
}

pub(super) fn plain_builder() -> BatchBuilder {
    BatchBuilder::new(TimestampType::CreateTime)
}

pub(super) fn value(offset: i64, bytes: usize) -> Option<Vec<u8>> {
    let mut value = offset.to_be_bytes().to_vec();
    value.resize(8 + bytes, 9);
    Some(value)
}
