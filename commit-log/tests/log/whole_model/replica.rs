//! [`Replica`]: a log in a directory of its own, and the model of what it must hold. Every operation is done to both.

use std::path::Path;
use std::sync::{Arc, mpsc};

use trimaran_commit_log::{
    AppendError, FlushRequest, FlushToken, Flusher, Log, LogDir, RecoveryReport,
    parse_partition_dir,
};
use trimaran_types::{
    BrokerId, ClusterId, DirectoryId, LeaderEpoch, Offset, Timestamp, TopicPartition,
};
use uuid::Uuid;

use super::memory_disk::{Loss, MemoryDisk};
use super::model::{Model, Record, built};
use super::operation::{BatchSpec, Form, JOURNAL, Operation, SEGMENT_MS};
use crate::rig::{NOW, topic_id};

pub(super) fn partition() -> TopicPartition {
    parse_partition_dir("t-0").unwrap()
}

pub(super) struct Replica {
    form: Form,
    pub(super) disk: MemoryDisk,
    pub(super) dir: LogDir,
    flusher: Flusher,
    pub(super) log: Log,
    pub(super) model: Model,
    /// Of flushes that the log has not heard of.
    told_later: Vec<FlushToken>,
}

impl Replica {
    pub(super) fn new(form: Form) -> Self {
        Self::open(form, MemoryDisk::at(NOW), Model::default()).0
    }

    fn open(form: Form, disk: MemoryDisk, model: Model) -> (Self, RecoveryReport) {
        let mut dir = LogDir::open(
            Arc::new(disk.clone()),
            Path::new("/data"),
            ClusterId::from_uuid(Uuid::from_u128(1)),
            BrokerId(1),
            DirectoryId::from_uuid(Uuid::from_u128(2)),
        )
        .unwrap();
        dir.limit_room(form.room());
        if form.has_journal {
            dir.use_journal(JOURNAL).unwrap();
        }
        let start = dir.open_as(&partition(), topic_id());
        let path = dir.partition_dir(&partition());
        let (log, report) = Log::open(dir.context(), &path, form.config(), start)
            .unwrap_or_else(|error| panic!("not opened: {error:?}"));
        let flusher = Flusher::without_threads(Arc::clone(&dir.context().latch), 10);
        let replica = Self {
            form,
            disk,
            dir,
            flusher,
            log,
            model,
            told_later: Vec::new(),
        };
        (replica, report)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.disk.now()
    }

    pub(super) fn apply(mut self, operation: &Operation) -> Self {
        match operation {
            Operation::Append(batches) => self.append(batches),
            Operation::Repeat(producer, back) => self.repeat(*producer, *back),
            Operation::Follow(follow) => self.follow(follow),
            Operation::Roll(batches) => {
                self.disk.pass(SEGMENT_MS + 1);
                self.append(batches);
            }
            Operation::NewEpoch => self.new_epoch(),
            Operation::Read {
                from,
                before,
                bytes_max,
            } => self.read(from, before, *bytes_max),
            Operation::FindTime(ms, before) => self.find_time(*ms, before),
            Operation::FindMaxTime(before) => self.find_max_time(before),
            Operation::Flush { commits } => {
                self.flush();
                if *commits {
                    self.commit();
                }
            }
            Operation::Sync => {
                if let Some(request) = self.log.begin_flush() {
                    let token = self.sync(request);
                    self.told_later.push(token);
                }
            }
            Operation::Synced => self.tell_synced(),
            Operation::Checkpoint => self.checkpoint(),
            Operation::Truncate(to) => {
                let to = Model::place(to, self.model.committed, self.model.log_end);
                self.truncate(to);
            }
            Operation::StartOver(distance) => {
                let at = (self.model.log_end + distance).max(0);
                self.start_over(at);
            }
            Operation::Trim(to) => self.trim(to),
            Operation::Retain { bytes, ms } => self.retain(*bytes, *ms),
            Operation::Clean(pass) => self.clean(pass),
            Operation::Wait(ms) => self.disk.pass(*ms),
            Operation::Crash(loss) => return self.crash(*loss),
            Operation::Close(loss) => return self.close(*loss),
        }
        self
    }

    /// The epoch that a leader appends in; an empty log may have forgotten it.
    fn lead(&mut self) -> LeaderEpoch {
        if let Some(epoch) = self.log.latest_epoch() {
            return epoch;
        }
        let epoch = LeaderEpoch(self.model.epoch);
        self.log.assign_epoch(epoch, self.log.log_end()).unwrap();
        self.model.assigned = Some((epoch.0, self.model.log_end));
        epoch
    }

    pub(super) fn append(&mut self, batches: &[BatchSpec]) {
        let (now, epoch, base) = (self.now(), self.lead(), self.model.log_end);
        let given = batches
            .iter()
            .map(|batch| self.model.produce(batch, epoch, now))
            .collect();
        let done = self.log.append_as_leader(given, epoch, now).unwrap();
        assert_eq!((done.base_offset.0, done.end.0), (base, self.model.log_end));
        let placed: Vec<(i64, i64, bool)> = done
            .batches
            .iter()
            .map(|batch| (batch.base.0, batch.last.0, batch.is_duplicate))
            .collect();
        let new = &self.model.batches[self.model.batches.len() - batches.len()..];
        let expected: Vec<_> = new.iter().map(|it| (it.base, it.last, false)).collect();
        assert_eq!(placed, expected);
    }

    /// A producer's last batch is always known; one before it may have gone with compaction, and then it
    /// is refused. None is ever written twice.
    fn repeat(&mut self, producer: i64, back: usize) {
        let sent = self.model.sent.iter().rev();
        let mut sent = sent.filter(|sent| sent.producer == producer);
        let Some(sent) = sent.nth(back).copied() else {
            return;
        };
        if sent.base < self.model.log_start {
            return;
        }
        let record = Record {
            offset: 0,
            timestamp: self.now().0,
            key: "repeated".into(),
            value: None,
        };
        let records = vec![record; usize::try_from(sent.count()).unwrap()];
        let batch = built(Some((producer, sent.sequence)), &records);
        let epoch = self.lead();
        let now = self.now();
        match self.log.append_as_leader(vec![batch], epoch, now) {
            Ok(done) => {
                let placed = done.batches[0];
                assert!(placed.is_duplicate, "{sent:?} is written twice");
                assert_eq!((placed.base.0, placed.last.0), (sent.base, sent.last));
            }
            Err(AppendError::Producer { .. }) if back > 0 => {}
            Err(error) => panic!("{sent:?}: {error}"),
        }
    }

    pub(super) fn new_epoch(&mut self) {
        self.model.epoch += 1;
        let epoch = LeaderEpoch(self.model.epoch);
        self.log.assign_epoch(epoch, self.log.log_end()).unwrap();
        self.model.assigned = Some((epoch.0, self.model.log_end));
    }

    /// Tells what the log is to be told.
    fn sync(&self, request: FlushRequest) -> FlushToken {
        let token = request.token();
        let (tell, told) = mpsc::channel();
        let on_done = move |result| tell.send(result).unwrap();
        self.flusher.submit(request, Box::new(on_done));
        self.flusher.run_waiting();
        told.recv().unwrap().unwrap();
        token
    }

    fn tell_synced(&mut self) {
        for token in self.told_later.drain(..) {
            self.log.flushed(&token);
        }
    }

    /// As a broker does it, through the journal where there is one.
    pub(super) fn flush(&mut self) {
        while let Some(request) = self.log.begin_flush() {
            let token = self.sync(request);
            self.log.flushed(&token);
        }
        assert_eq!(self.log.flushed_end(), self.log.log_end());
    }

    pub(super) fn commit(&mut self) {
        let end = self.log.flushed_end();
        self.model.committed = end.0;
        self.log.high_watermark_passed(end);
    }

    fn checkpoint(&mut self) {
        match self.log.begin_checkpoint().unwrap() {
            Some(request) => {
                let token = self.sync(request);
                self.log.flushed(&token);
            }
            None => self.log.close_idle_file(),
        }
        while self.flusher.run_cleaning() {}
        self.dir.write_recovery_points().unwrap();
        self.dir.sync_flushed_ends().unwrap();
        self.write_start();
    }

    pub(super) fn write_start(&mut self) {
        self.dir.write_log_starts().unwrap();
        self.model.settle_start();
    }

    pub(super) fn truncate(&mut self, to: i64) {
        let end = if to < self.model.log_end {
            self.model.end_of_cut(to)
        } else {
            self.model.log_end
        };
        assert_eq!(self.log.truncate_to(Offset(to)).unwrap(), Offset(end));
        self.model.cut(end);
    }

    pub(super) fn start_over(&mut self, at: i64) {
        self.log.truncate_fully_and_start_at(Offset(at)).unwrap();
        self.model.start_over(at);
    }

    /// The process dies, perhaps with the machine.
    fn crash(self, loss: Loss) -> Self {
        let left = self.disk.after(loss);
        let flushed_end = self.log.flushed_end().0;
        assert!(self.model.committed <= flushed_end);
        let found = Self::restarted(self.form, left, self.model, flushed_end);
        assert!(loss != Loss::NOTHING || found.1, "what nobody lost is gone");
        found.0
    }

    /// Another log with the same content, in a directory of its own.
    pub(super) fn copied(&self) -> Self {
        let left = self.disk.after(Loss::NOTHING);
        let flushed_end = self.log.flushed_end().0;
        let (copy, is_whole) = Self::restarted(self.form, left, self.model.clone(), flushed_end);
        assert!(is_whole);
        copy
    }

    /// What the next process finds, and whether that is everything.
    fn restarted(form: Form, disk: MemoryDisk, mut model: Model, flushed_end: i64) -> (Self, bool) {
        let log_end = model.log_end;
        model.stopped();
        let (mut replica, report) = Self::open(form, disk, model);
        let end = replica.log.log_end().0;
        assert!(
            (flushed_end..=log_end).contains(&end),
            "{end} is not from {flushed_end} to {log_end}"
        );
        replica.model.lost(end);
        (replica, end == log_end && report.cut.is_none())
    }

    /// After a clean stop nothing can be lost, and the files are as they should be.
    pub(super) fn close(mut self, loss: Loss) -> Self {
        self.write_start();
        let Self {
            form,
            disk,
            dir,
            flusher,
            log,
            mut model,
            ..
        } = self;
        assert_eq!(log.close().unwrap().0, model.log_end);
        drop(flusher);
        dir.mark_clean_shutdown(None).unwrap();
        super::checks::check_files(&disk, &dir.partition_dir(&partition()), &model);
        let disk = disk.after(loss);
        drop(dir);
        model.stopped();
        let (replica, report) = Self::open(form, disk, model);
        assert!(replica.dir.clean_shutdown().is_some());
        assert_eq!(report.cut, None);
        assert_eq!(replica.log.log_end().0, replica.model.log_end);
        replica
    }
}
