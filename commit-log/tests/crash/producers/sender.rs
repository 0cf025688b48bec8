//! [`Sender`]: an owner of one log to which producers send, with what the log owes from then on.
//!
//! It goes on after refusals: what was refused changed nothing, and the same batches are taken when
//! they come again.

use std::sync::{Arc, mpsc};

use trimaran_commit_log::{AppendError, FlushRequest, Flusher, Log, LogConfig, LogDir};
use trimaran_types::record_batch::{
    BatchBuilder, BatchProducer, EndMarker, RecordBatch, TimestampType, TransactionEnd,
};
use trimaran_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

use super::oracle::Known;
use crate::promises::{open_dir, open_journalled, partition, topic_id};
use crate::seeded::Seeded;
use crate::sim_disk::SimDisk;

pub(super) const NOW: Timestamp = Timestamp(1_700_000_000_000);
const PRODUCERS: usize = 3;

/// Batches as the log has them, from its start.
pub(super) type History = Arc<Vec<RecordBatch>>;

/// What the log owes at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Owed {
    pub(super) flushed_end: i64,
    /// It holds the first batches of one of these.
    pub(super) allowed: Vec<History>,
    /// Every second log writes zeros ahead.
    pub(super) preallocate: bool,
}

pub(super) struct Sender {
    pub(super) disk: SimDisk,
    pub(super) dir: Option<LogDir>,
    pub(super) log: Option<Log>,
    /// In force after so many changes to the disk.
    pub(super) owed: Vec<(usize, Owed)>,
    pub(super) refused: Vec<String>,
    pub(super) cuts: usize,
    pub(super) restarts: usize,
    has_journal: bool,
    flusher: Option<Flusher>,
    random: Seeded,
    history: History,
    now: Owed,
    made: u64,
}

fn config(preallocate: bool) -> LogConfig {
    LogConfig {
        segment_bytes: 1_024,
        index_interval_bytes: 250,
        tail_bytes_max: 0,
        preallocate,
        ..LogConfig::default()
    }
}

pub(super) fn open(dir: &LogDir, owed: &Owed) -> Result<Log, trimaran_commit_log::OpenError> {
    let start = dir.open_as(&partition(0), topic_id(0));
    let path = dir.partition_dir(&partition(0));
    Log::open(dir.context(), &path, config(owed.preallocate), start).map(|opened| opened.0)
}

/// Leads on in a new epoch.
pub(super) fn lead(log: &mut Log) -> LeaderEpoch {
    let epoch = LeaderEpoch(log.latest_epoch().map_or(0, |epoch| epoch.0 + 1));
    let end = log.log_end();
    log.assign_epoch(epoch, end).unwrap();
    epoch
}

pub(super) fn is_marker(batch: &RecordBatch) -> bool {
    batch.header().attributes.is_control()
}

impl Sender {
    pub(super) fn begin(disk: SimDisk, seed: u64, has_journal: bool) -> Self {
        let mut sender = Self {
            disk,
            dir: None,
            log: None,
            owed: Vec::new(),
            refused: Vec::new(),
            cuts: 0,
            restarts: 0,
            has_journal,
            flusher: None,
            random: Seeded(seed),
            history: History::default(),
            now: Owed {
                preallocate: seed % 2 == 1,
                allowed: vec![History::default()],
                ..Owed::default()
            },
            made: 0,
        };
        sender.owe();
        let opened = if has_journal {
            open_journalled(&sender.disk)
        } else {
            open_dir(&sender.disk)
        };
        sender.dir = sender.ok(opened);
        let latch = |dir: &LogDir| Arc::clone(&dir.context().latch);
        let latch = sender.dir.as_ref().map(latch);
        sender.flusher = latch.map(|latch| Flusher::without_threads(latch, 10));
        sender.reopen();
        sender
    }

    fn reopen(&mut self) {
        let Some(dir) = &self.dir else { return };
        let opened = open(dir, &self.now);
        self.log = self.ok(opened);
        if let Some(log) = &mut self.log {
            lead(log);
        }
    }

    fn ok<T, E: std::error::Error>(&mut self, result: Result<T, E>) -> Option<T> {
        result
            .map_err(|error| self.refused.push(error.to_string()))
            .ok()
    }

    fn owe(&mut self) {
        self.owed.push((self.disk.ops_count(), self.now.clone()));
    }

    pub(super) fn has_failed(&self) -> bool {
        let latched = |dir: &LogDir| dir.context().latch.failure().is_some();
        self.dir.as_ref().is_some_and(latched)
    }

    pub(super) fn step(&mut self) {
        if self.log.is_none() {
            return;
        }
        match self.random.below(100) {
            0..62 => {
                self.send();
                // Segments are small: a few batches more begin the next one, which no journal takes.
                if self.has_journal && self.random.one_in(2) {
                    self.flush();
                }
            }
            62..76 => self.flush(),
            76..83 => self.checkpoint(),
            83..88 => {
                let synced = self.dir.as_ref().unwrap().sync_flushed_ends();
                self.ok(synced);
            }
            88..94 => {
                self.truncate();
                // Past what was cut, with another history, so that nothing of the old one fits.
                for _ in 0..4 {
                    self.send();
                    if self.random.one_in(2) {
                        self.checkpoint();
                    }
                }
            }
            94..97 => self.restart(),
            _ => self.repeat(),
        }
    }

    /// The owner ends cleanly, and another one begins.
    fn restart(&mut self) {
        let Some(log) = self.log.take() else { return };
        let closed = log.close();
        let Some(end) = self.ok(closed) else { return };
        self.now.flushed_end = end.0;
        self.now.allowed = vec![Arc::clone(&self.history)];
        self.owe();
        self.restarts += 1;
        self.reopen();
    }

    fn producer(&self, (id, epoch): (i64, i16), base_sequence: i32) -> BatchBuilder {
        BatchBuilder::new(TimestampType::CreateTime).producer(BatchProducer {
            id: ProducerId(id),
            epoch: ProducerEpoch(epoch),
            base_sequence,
        })
    }

    /// One of the batches that may come next.
    fn next_batch(&mut self, known: &Known) -> RecordBatch {
        let id = i64::try_from(self.random.below(PRODUCERS)).unwrap();
        let mut me = known.producers.get(&id).cloned().unwrap_or_default();
        let what = self.random.below(100);
        if me.open.is_some() && what < 35 {
            let end = match what % 2 {
                0 => TransactionEnd::Abort,
                _ => TransactionEnd::Commit,
            };
            let marker = EndMarker {
                end,
                coordinator_epoch: 0,
                timestamp: NOW,
            };
            return marker.to_batch(ProducerId(id), ProducerEpoch(me.epoch));
        }
        let mut builder = if (35..45).contains(&what) {
            BatchBuilder::new(TimestampType::CreateTime)
        } else {
            // Now and then the producer begins anew, in an epoch of its own.
            if (45..50).contains(&what) && !me.batches.is_empty() {
                me.epoch += 1;
                me.batches.clear();
            }
            let builder = self.producer((id, me.epoch), me.next_sequence());
            if me.open.is_some() || what.is_multiple_of(2) {
                builder.transactional()
            } else {
                builder
            }
        };
        for _ in 0..=self.random.below(3) {
            self.made += 1;
            let mut value = self.made.to_be_bytes().to_vec();
            value.resize(8 + self.random.below(60), 5);
            builder.push(NOW, None, Some(&value), &[]).unwrap();
        }
        builder.build().unwrap()
    }

    /// Some batches that a client sends, or one marker.
    fn send(&mut self) {
        let mut after = self.history.to_vec();
        let Some(epoch) = self.log.as_ref().unwrap().latest_epoch() else {
            // A cut has forgotten all of them, and then the directory has failed.
            assert!(self.has_failed());
            return;
        };
        let mut sent: Vec<RecordBatch> = Vec::new();
        for _ in 0..=self.random.below(3) {
            let batch = self.next_batch(&Known::of(&after));
            if is_marker(&batch) && !sent.is_empty() {
                break;
            }
            let end = after.last().map_or(0, |last| last.header().next_offset().0);
            after.push(batch.clone().stamped(Offset(end), epoch));
            let is_last = is_marker(&batch);
            sent.push(batch);
            if is_last {
                break;
            }
        }
        let after = History::new(after);
        self.now.allowed.push(Arc::clone(&after));
        self.owe();
        // What was refused is taken when it comes again, and is no repetition.
        for _ in 0..2 {
            match self.append(&sent, epoch) {
                Ok(()) => {
                    self.history = after;
                    return;
                }
                Err(error @ (AppendError::NoRoom { .. } | AppendError::DirFailed(_))) => {
                    self.refused.push(error.to_string());
                    self.check_knowledge();
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn append(&mut self, sent: &[RecordBatch], epoch: LeaderEpoch) -> Result<(), AppendError> {
        let log = self.log.as_mut().unwrap();
        let end = log.log_end();
        let appended = if is_marker(&sent[0]) {
            log.append_as_coordinator(sent.to_vec(), epoch, NOW)
        } else {
            log.append_as_leader(sent.to_vec(), epoch, NOW)
        };
        let placed = appended?.batches;
        assert_eq!(placed[0].base, end);
        assert!(placed.iter().all(|batch| !batch.is_duplicate), "{placed:?}");
        Ok(())
    }

    /// Sends what a producer sent last again.
    fn repeat(&mut self) {
        let known = Known::of(self.history.iter());
        let log = self.log.as_mut().unwrap();
        for producer in known.producers.values() {
            let Some((base, last, _)) = producer.batches.last() else {
                continue;
            };
            let batch = find(&self.history, *base).clone();
            let epoch = log.latest_epoch().unwrap();
            let answer = match log.append_as_leader(vec![batch], epoch, NOW) {
                Err(AppendError::DirFailed(_)) => return,
                answer => answer.unwrap().batches[0],
            };
            let expected = (Offset(*base), Offset(*last), true);
            assert_eq!((answer.base, answer.last, answer.is_duplicate), expected);
        }
    }

    fn flush(&mut self) {
        let request = self.log.as_mut().unwrap().begin_flush();
        if let Some(request) = request {
            self.sync(request);
        }
    }

    fn sync(&mut self, request: FlushRequest) {
        let token = request.token();
        let (tell, told) = mpsc::channel();
        let flusher = self.flusher.as_ref().unwrap();
        flusher.submit(request, Box::new(move |done| tell.send(done).unwrap()));
        flusher.run_waiting();
        if self.has_journal && self.random.one_in(4) {
            flusher.run_cleaning();
        }
        let done = told.recv().unwrap();
        if self.ok(done).is_some() {
            let log = self.log.as_mut().unwrap();
            log.flushed(&token);
            self.now.flushed_end = log.flushed_end().0;
            self.now.allowed = vec![Arc::clone(&self.history)];
            self.owe();
        }
    }

    fn checkpoint(&mut self) {
        let begun = self.log.as_mut().unwrap().begin_checkpoint();
        if let Some(Some(request)) = self.ok(begun) {
            self.sync(request);
        }
        let written = self.dir.as_ref().unwrap().write_recovery_points();
        self.ok(written);
    }

    fn truncate(&mut self) {
        let Some(last) = self.history.len().checked_sub(1) else {
            return;
        };
        let kept = last - self.random.below(10.min(last + 1));
        let offset = self.history[kept].header().base_offset;
        let cut = History::new(self.history[..kept].to_vec());
        let before = self.now.clone();
        self.now.flushed_end = before.flushed_end.min(offset.0);
        self.now.allowed.push(Arc::clone(&cut));
        self.owe();
        let result = self.log.as_mut().unwrap().truncate_to(offset);
        match self.ok(result) {
            Some(end) => {
                assert_eq!(end, offset);
                self.cuts += 1;
                self.now.allowed = vec![Arc::clone(&cut)];
                self.history = cut;
                lead(self.log.as_mut().unwrap());
                self.owe();
            }
            None if !self.has_failed() => {
                self.now = before;
                self.owe();
                self.check_knowledge();
            }
            None => {}
        }
    }

    /// What the log knows is what the batches say that it took.
    pub(super) fn check_knowledge(&mut self) {
        if self.has_failed() {
            return;
        }
        if let Some(log) = &mut self.log {
            Known::of(self.history.iter()).check(log).unwrap();
        }
    }

    pub(super) fn known(&self) -> Known {
        Known::of(self.history.iter())
    }
}

/// The batch that begins at this offset.
pub(super) fn find(history: &[RecordBatch], base: i64) -> &RecordBatch {
    let found = history.iter().find(|it| it.header().base_offset.0 == base);
    found.unwrap()
}
