//! [`Owner`]: an owner of logs with a journal in front of them, and what power cuts leave of its disk.

use std::path::Path;
use std::sync::Arc;

use trimaran_commit_log::{FlushRequest, Flusher, JournalLimits, Log, LogDir};
use trimaran_types::{LeaderEpoch, Offset, Timestamp};

use crate::power_cut::{PowerCut, Survives};
use crate::promises::{open_dir, open_journalled, open_log, read_all};
use crate::seeded::Seeded;
use crate::sim_disk::{Op, SimDisk, Tree};
use crate::workload::batch;

pub(super) const BLOCK: usize = 4096;
pub(super) const HALVES: [&str; 2] = ["/data/logs/flush-journal.0", "/data/logs/flush-journal.1"];

pub(super) struct Owner {
    pub(super) disk: SimDisk,
    pub(super) dir: LogDir,
    pub(super) flusher: Arc<Flusher>,
    pub(super) logs: Vec<Log>,
}

impl Owner {
    pub(super) fn new(disk: SimDisk, logs: usize) -> Self {
        let dir = open_journalled(&disk).unwrap();
        Self::of(dir, disk, logs)
    }

    /// With a journal of other limits.
    pub(super) fn on(mut dir: LogDir, disk: SimDisk, logs: usize, limits: JournalLimits) -> Self {
        dir.use_journal(limits).unwrap();
        Self::of(dir, disk, logs)
    }

    fn of(dir: LogDir, disk: SimDisk, logs: usize) -> Self {
        let latch = Arc::clone(&dir.context().latch);
        let mut owner = Self {
            logs: Vec::new(),
            flusher: Arc::new(Flusher::without_threads(latch, 100)),
            dir,
            disk,
        };
        for number in 0..logs {
            owner.open(number);
        }
        owner
    }

    /// Opens the log as the last one, in an epoch of its own.
    pub(super) fn open(&mut self, number: usize) -> trimaran_commit_log::RecoveryReport {
        let (mut log, report) = open_log(&self.dir, number, 0).unwrap();
        let end = log.log_end();
        let epoch = log.latest_epoch().map_or(0, |epoch| epoch.0) + 1;
        log.assign_epoch(LeaderEpoch(epoch), end).unwrap();
        self.logs.push(log);
        report
    }

    pub(super) fn append(&mut self, number: usize, bytes: usize) {
        let log = &mut self.logs[number];
        let value: Arc<[u8]> = vec![7; bytes].into();
        let epoch = log.latest_epoch().unwrap();
        log.append_as_leader(vec![batch(&[value])], epoch, Timestamp(1))
            .unwrap();
    }

    pub(super) fn begin(&mut self, number: usize) -> FlushRequest {
        self.logs[number].begin_flush().unwrap()
    }

    /// Has a request served; the log is not told.
    pub(super) fn serve(&self, request: FlushRequest) {
        self.flusher.submit(request, Box::new(|done| done.unwrap()));
        self.flusher.run_waiting();
    }

    pub(super) fn flush(&mut self, number: usize) {
        let request = self.begin(number);
        let token = request.token();
        self.serve(request);
        self.logs[number].flushed(&token);
    }

    /// Appends a hundred bytes and makes them durable.
    pub(super) fn add(&mut self, number: usize) {
        self.append(number, 100);
        self.flush(number);
    }

    pub(super) fn clean_all(&self) {
        while self.flusher.run_cleaning() {}
    }

    pub(super) fn ends(&self) -> Vec<Offset> {
        self.logs.iter().map(Log::flushed_end).collect()
    }

    /// How often files of logs, and halves of the journal, have been synced.
    pub(super) fn syncs(&self) -> (usize, usize) {
        let (_, ops) = self.disk.recorded();
        let halves = HALVES.map(|path| self.disk.node(Path::new(path)));
        let mut count = (0, 0);
        for op in &ops {
            if let Op::SyncData { file } = op {
                if halves.contains(&Some(*file)) {
                    count.1 += 1;
                } else if self.disk.is_segment(*file) {
                    count.0 += 1;
                }
            }
        }
        count
    }

    /// What a power cut leaves now.
    pub(super) fn left(&self) -> Tree {
        left(&self.disk)
    }

    /// The same, at the end.
    pub(super) fn cut(self) -> Tree {
        self.left()
    }
}

/// What a power cut leaves of a disk that brings nothing through that was not synced.
pub(super) fn left(disk: &SimDisk) -> Tree {
    let (base, ops) = disk.recorded();
    let mut cut = PowerCut::before_anything(&base);
    ops.iter().for_each(|op| cut.after(op));
    cut.leaves(Survives::Nothing)
}

/// Cuts the power after each change from the `from`th on, in the plain ways, with each page and name
/// alone lost or kept, and by chance. Each log has at least what `before` says, and at the end what `after` says.
pub(super) fn cut_at_every_change(
    disk: &SimDisk,
    from: usize,
    before: &[Offset],
    after: &[Offset],
) {
    let (base, ops) = disk.recorded();
    assert!(from < ops.len(), "nothing was changed");
    let mut cut = PowerCut::before_anything(&base);
    for (count, op) in (1..).zip(&ops) {
        cut.after(op);
        if count < from {
            continue;
        }
        let ends = if count == ops.len() { after } else { before };
        for way in cut.ways(8, &mut Seeded(count as u64)) {
            let left = SimDisk::holding(cut.leaves(way));
            let dir = open_dir(&left).unwrap();
            for (number, end) in ends.iter().enumerate() {
                let name = format!("log {number}, {count} changes, {way:?}, after {op:.200?}");
                let (log, _) =
                    open_log(&dir, number, 0).unwrap_or_else(|error| panic!("{name}: {error:?}"));
                assert!(log.log_end() >= *end, "{name}: {}", log.log_end());
                read_all(&log).unwrap_or_else(|error| panic!("{name}: {error}"));
            }
        }
    }
}
