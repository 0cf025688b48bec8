//! A log knows its epochs exactly and cuts anywhere, committed or not, as a `Vec` of records says, on a real file system.
//!
//! Reads, searches by time and compaction are for [`crate::whole_model`].

use std::sync::Arc;

use proptest::prelude::*;
use trimaran_commit_log::{
    DirLatch, Flusher, JournalLimits, Log, LogConfig, ReadError, RoomLimits,
};
use trimaran_types::{LeaderEpoch, Offset};

use crate::rig::{NOW, Rig, batch_at, read_all};

#[derive(Debug, Clone)]
enum Step {
    /// Batches, each a list of record sizes.
    Append(Vec<Vec<usize>>),
    /// The same, as a follower of a leader with this epoch step.
    Follow(i32, Vec<Vec<usize>>),
    NewEpoch,
    Truncate(prop::sample::Index),
    StartAt(i64),
    /// Deletes the records before an offset.
    Trim(prop::sample::Index),
    /// Retention with this `retention.bytes`, up to a high watermark.
    Retain(u64, prop::sample::Index),
    Flush,
    Checkpoint,
    Crash,
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let sizes = || prop::collection::vec(prop::collection::vec(0..150_usize, 1..5), 1..5);
    let step = prop_oneof![
        8 => sizes().prop_map(Step::Append),
        4 => (0..2, sizes()).prop_map(|(epochs, sizes)| Step::Follow(epochs, sizes)),
        2 => Just(Step::NewEpoch),
        2 => any::<prop::sample::Index>().prop_map(Step::Truncate),
        1 => (0..500_i64).prop_map(Step::StartAt),
        2 => any::<prop::sample::Index>().prop_map(Step::Trim),
        3 => (0..6000_u64, any::<prop::sample::Index>())
            .prop_map(|(bytes, committed)| Step::Retain(bytes, committed)),
        2 => Just(Step::Flush),
        2 => Just(Step::Checkpoint),
        2 => Just(Step::Crash),
        2 => Just(Step::Close),
    ];
    prop::collection::vec(step, 1..40)
}

/// What the log must hold.
#[derive(Debug, Default)]
struct Model {
    /// Offset of the first record that the model still knows.
    base: i64,
    /// Where the log starts, at `base` or later.
    start: i64,
    /// Timestamp, epoch, value of each record from `base` on.
    records: Vec<(i64, i32, Vec<u8>)>,
    /// First offset of each batch.
    batches: Vec<i64>,
    /// Epochs with records, and the latest one.
    epochs: Vec<(i32, i64)>,
    made: u32,
}

impl Model {
    fn end(&self) -> i64 {
        self.base + i64::try_from(self.records.len()).unwrap()
    }

    fn latest(&self) -> i32 {
        self.epochs.last().map_or(-1, |e| e.0)
    }

    fn assign(&mut self, epoch: i32, at: i64) {
        if self.latest() != epoch {
            self.epochs.retain(|e| e.1 < at);
            self.epochs.push((epoch, at));
        }
    }

    fn cut(&mut self, to: i64) {
        self.batches.retain(|base| *base < to);
        self.records
            .truncate(usize::try_from(to - self.base).unwrap());
        self.epochs.retain(|e| e.1 < to);
        self.start = self.start.min(to);
    }

    /// The log starts later; epochs that ended before are forgotten.
    fn raise(&mut self, to: i64) {
        if to <= self.start {
            return;
        }
        self.start = to;
        let covered = self.epochs.iter().filter(|e| e.1 <= to).count();
        if covered > 0 {
            self.epochs.drain(..covered - 1);
        }
    }

    /// What a restart finds: the epochs of the records that are there.
    fn learn_epochs(&mut self) {
        let mut epochs: Vec<(i32, i64)> = Vec::new();
        for (offset, record) in (self.base..).zip(&self.records) {
            if epochs.last().is_none_or(|epoch| epoch.0 != record.1) {
                epochs.push((record.1, offset));
            }
        }
        self.epochs = epochs;
        let start = std::mem::replace(&mut self.start, self.base);
        self.raise(start);
    }

    /// An offset from the log's start to its end.
    fn place(&self, index: &prop::sample::Index) -> i64 {
        let offsets = usize::try_from(self.end() - self.start + 1).unwrap();
        self.start + i64::try_from(index.index(offsets)).unwrap()
    }

    fn batch_of(&self, offset: i64) -> i64 {
        self.batches
            .iter()
            .copied()
            .filter(|b| *b <= offset)
            .max()
            .unwrap()
    }

    /// New records: timestamps that go up and down, values that are all different.
    fn make(&mut self, sizes: &[usize]) -> Vec<(i64, Vec<u8>)> {
        let record = |size: &usize| {
            self.made += 1;
            let mut value = self.made.to_be_bytes().to_vec();
            value.resize(4 + size, 7);
            (
                i64::from(self.made * 7919 % 97) + i64::from(self.made) * 5,
                value,
            )
        };
        sizes.iter().map(record).collect()
    }

    fn push(&mut self, epoch: i32, records: Vec<(i64, Vec<u8>)>) {
        self.assign(epoch, self.end());
        self.batches.push(self.end());
        self.records.extend(
            records
                .into_iter()
                .map(|(time, value)| (time, epoch, value)),
        );
    }
}

struct Run {
    rig: Rig,
    log: Option<Log>,
    model: Model,
    /// What the checkpoint file would say.
    recovery_point: i64,
}

impl Run {
    fn step(&mut self, step: &Step) {
        let mut log = self.log.take().unwrap();
        match step {
            Step::Append(batches) => self.append(&mut log, batches),
            Step::Follow(epochs, batches) => self.follow(&mut log, *epochs, batches),
            Step::NewEpoch => {
                let epoch = self.model.latest() + 1;
                log.assign_epoch(LeaderEpoch(epoch), log.log_end()).unwrap();
                self.model.assign(epoch, self.model.end());
            }
            Step::Truncate(index) => {
                let to = self.model.place(index);
                let cut = if to < self.model.end() {
                    self.model.batch_of(to)
                } else {
                    to
                };
                assert_eq!(log.truncate_to(Offset(to)).unwrap(), Offset(cut));
                self.model.cut(cut);
                self.recovery_point = self.recovery_point.min(cut);
                self.lower_start_on_disk();
            }
            Step::StartAt(offset) => {
                log.truncate_fully_and_start_at(Offset(*offset)).unwrap();
                self.model = Model {
                    base: *offset,
                    start: *offset,
                    made: self.model.made,
                    ..Model::default()
                };
                self.recovery_point = 0;
                self.lower_start_on_disk();
            }
            Step::Trim(index) => {
                let to = self.model.place(index);
                log.raise_log_start(Offset(to));
                self.model.raise(to);
            }
            Step::Retain(bytes, committed) => self.retain(&mut log, *bytes, committed),
            Step::Flush => {
                self.flush(&mut log);
                assert_eq!(log.flushed_end(), log.log_end());
            }
            Step::Checkpoint => match log.begin_checkpoint().unwrap() {
                Some(request) => {
                    request
                        .files
                        .iter()
                        .for_each(|file| file.sync_data().unwrap());
                    log.flushed(&request.token());
                    self.recovery_point = log.log_end().0;
                }
                None => log.close_idle_file(),
            },
            Step::Crash => {
                drop(log);
                log = self.reopen(self.recovery_point, false);
            }
            Step::Close => log = self.close(log),
        }
        self.log = Some(log);
    }

    fn close(&mut self, log: Log) -> Log {
        self.rig.log_start = Some(log.log_start());
        let bytes = log.bytes();
        let end = log.close().unwrap();
        assert_eq!(self.file_bytes(), bytes, "a closed log has no room");
        self.recovery_point = end.0;
        self.reopen(end.0, true)
    }

    /// As the flusher does it, through the journal where there is one.
    fn flush(&self, log: &mut Log) {
        let latch = Arc::new(DirLatch::new(self.rig.root.path()));
        let flusher = Flusher::without_threads(latch, 10);
        while let Some(request) = log.begin_flush() {
            let token = request.token();
            flusher.submit(request, Box::new(|done| done.unwrap()));
            flusher.run_waiting();
            log.flushed(&token);
        }
    }

    fn reopen(&mut self, recovery_point: i64, clean: bool) -> Log {
        // An epoch without records is forgotten by a restart.
        let end = self.model.end();
        self.model.epochs.retain(|e| e.1 < end);
        // What was trimmed and not deleted since the last checkpoint is back.
        let durable = self.rig.log_start.unwrap_or(Offset::ZERO).0;
        let first = *self.rig.segments().keys().next().unwrap();
        if durable.max(first) < self.model.start {
            self.model.start = durable.max(first).min(end);
            self.model.learn_epochs();
        }
        let (log, report) = self.rig.open(recovery_point, clean).unwrap();
        assert_eq!(report.cut, None);
        assert_eq!(self.file_bytes(), log.bytes(), "an opened log has no room");
        assert_eq!(log.flushed_end(), log.log_end());
        // Of epochs that began before the log start, a restart may know less.
        let found = epochs_of(&log);
        let later = |epochs: &[(i32, i64)]| -> Vec<(i32, i64)> {
            let start = self.model.start;
            epochs.iter().copied().filter(|e| e.1 > start).collect()
        };
        if log.log_start() < log.log_end() {
            assert_eq!(
                found.last().map(|e| e.0),
                self.model.epochs.last().map(|e| e.0)
            );
        }
        if found.first().is_some_and(|e| e.1 <= self.model.start) {
            assert_eq!(later(&found), later(&self.model.epochs));
        }
        self.model.epochs = found;
        log
    }

    /// Bytes of all segments' files, room included.
    fn file_bytes(&self) -> u64 {
        let files = self.rig.segments().into_values();
        files.map(|file| file.metadata().unwrap().len()).sum()
    }

    /// A cut lowers the checkpoint first.
    fn lower_start_on_disk(&mut self) {
        let start = Offset(self.model.start);
        self.rig.log_start = self.rig.log_start.map(|durable| durable.min(start));
    }

    /// One round of retention, as the broker does it.
    fn retain(&mut self, log: &mut Log, bytes: u64, committed: &prop::sample::Index) {
        let config = LogConfig {
            retention_bytes: Some(bytes),
            ..log.config().clone()
        };
        log.set_config(config).unwrap();
        let high_watermark = Offset(self.model.place(committed));
        let bytes_before = log.bytes();
        let Some(retained) = log.retain(high_watermark, NOW).unwrap() else {
            assert_eq!(log.log_start().0, self.model.start);
            return;
        };
        assert!(retained.log_start <= high_watermark);
        self.model.raise(retained.log_start.0);
        self.rig.log_start = Some(retained.log_start);
        while let Some(deleted) = log.delete_segments(retained.log_start).unwrap() {
            deleted.sync().unwrap();
            deleted.remove().unwrap();
        }
        let left = log.bytes();
        assert!(left < bytes_before, "a round that raises the start deletes");
        let first = *self.rig.segments().keys().next().unwrap();
        assert!(first <= self.model.start);
        let below = Offset(self.model.start - 1);
        let refused = log.reader().read(below, log.log_end(), 100);
        assert!(
            matches!(refused, Err(ReadError::OutOfRange { .. })),
            "{refused:?}"
        );
    }

    fn append(&mut self, log: &mut Log, batches: &[Vec<usize>]) {
        if self.model.epochs.is_empty() {
            log.assign_epoch(LeaderEpoch(0), log.log_end()).unwrap();
            self.model.assign(0, self.model.end());
        }
        let (base, epoch) = (self.model.end(), self.model.latest());
        assert_eq!(log.latest_epoch(), Some(LeaderEpoch(epoch)));
        let mut built = Vec::new();
        for sizes in batches {
            let records = self.model.make(sizes);
            let borrowed: Vec<_> = records.iter().map(|(t, v)| (*t, v.as_slice())).collect();
            built.push(batch_at(&borrowed));
            self.model.push(epoch, records);
        }
        let done = log
            .append_as_leader(built, LeaderEpoch(epoch), NOW)
            .unwrap();
        assert_eq!((done.base_offset.0, done.end.0), (base, self.model.end()));
        assert_eq!(done.batches.len(), batches.len());
    }

    fn follow(&mut self, log: &mut Log, epochs: i32, batches: &[Vec<usize>]) {
        let epoch = self.model.latest().max(0) + epochs;
        let mut bytes = Vec::new();
        for sizes in batches {
            let records = self.model.make(sizes);
            let borrowed: Vec<_> = records.iter().map(|(t, v)| (*t, v.as_slice())).collect();
            let batch = batch_at(&borrowed).stamped(Offset(self.model.end()), LeaderEpoch(epoch));
            bytes.extend_from_slice(batch.bytes());
            self.model.push(epoch, records);
        }
        let done = log.append_as_follower(bytes.into(), NOW).unwrap();
        assert_eq!(done.end.0, self.model.end());
    }

    fn check(&self) {
        let log = self.log.as_ref().unwrap();
        let model = &self.model;
        assert_eq!(
            (log.log_start().0, log.log_end().0),
            (model.start, model.end())
        );
        assert!(log.flushed_end() <= log.log_end());
        assert_eq!(epochs_of(log), model.epochs);
        assert!(self.file_bytes() >= log.bytes());
        assert!(self.rig.config.preallocate || self.file_bytes() == log.bytes());
    }
}

/// Halves of six small flushes.
const JOURNAL: JournalLimits = JournalLimits {
    half_bytes: 8 * 4096,
    flush_bytes_end: 1500,
    chunk_bytes: 4096,
    kept_bytes_max: 4000,
};

fn epochs_of(log: &Log) -> Vec<(i32, i64)> {
    let entries = log.epochs().entries().iter();
    entries.map(|e| (e.epoch.0, e.start.0)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_log_is_a_vec(
        steps in steps(),
        tail_bytes_max in prop_oneof![Just(0), Just(700), Just(1 << 20)],
        room_bytes in prop_oneof![Just(None), Just(Some(100)), Just(Some(3000))],
        has_journal: bool,
    ) {
        let mut rig = Rig::new();
        rig.config = LogConfig {
            tail_bytes_max,
            index_bytes_max: 120,
            preallocate: room_bytes.is_some(),
            ..rig.config
        };
        rig.room = RoomLimits {
            chunk_bytes_min: room_bytes.unwrap_or(0),
            chunk_bytes_max: room_bytes.unwrap_or(0),
            flushes_min: 1,
            ..RoomLimits::default()
        };
        rig.journal = has_journal.then_some(JOURNAL);
        let (log, _) = rig.open(0, false).unwrap();
        let mut run = Run { rig, log: Some(log), model: Model::default(), recovery_point: 0 };
        for step in &steps {
            run.step(step);
            run.check();
        }
        let all = read_all(&run.log.as_ref().unwrap().reader(), 500);
        let from = if run.model.start < run.model.end() {
            run.model.batch_of(run.model.start)
        } else {
            run.model.end()
        };
        let expected: Vec<_> = (run.model.base..).zip(&run.model.records)
            .filter(|(offset, _)| *offset >= from)
            .map(|(offset, (_, epoch, value))| (offset, *epoch, value.clone()))
            .collect();
        prop_assert_eq!(all, expected);
    }
}
