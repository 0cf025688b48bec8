//! [`Workload`]: an owner of several logs who does all that an owner does, in an order that follows
//! from a seed, and writes down what the logs owe from then on.
//!
//! It goes on after errors as an owner would: what was refused changed nothing, and of a directory
//! that has failed nothing more may be written.

use std::sync::{Arc, mpsc};

use trimaran_commit_log::{
    AppendError, Aside, FlushRequest, FlushToken, Flusher, Log, LogDir, TruncateError,
};
use trimaran_types::record_batch::{BatchBuilder, RecordBatch, TimestampType};
use trimaran_types::{LeaderEpoch, Offset, Timestamp};

use crate::promises::{
    Branch, Promise, Promises, Record, open_dir, open_journalled, open_log, partition, read_all,
};
use crate::seeded::Seeded;
use crate::sim_disk::SimDisk;

pub(crate) const LOGS: usize = 3;
const RESERVE_BYTES: u64 = 8_192;
const NOW: Timestamp = Timestamp(1_700_000_000_000);

struct Owned {
    log: Log,
    branch: Branch,
    /// First offset of each batch, for the place of a cut.
    batches: Vec<i64>,
    /// A flush that has begun, with what it covers.
    begun: Option<FlushRequest>,
}

pub(crate) struct Workload {
    pub(crate) disk: SimDisk,
    pub(crate) promises: Promises,
    /// What was refused, for tests that expect something of it.
    pub(crate) refused: Vec<String>,
    random: Seeded,
    now: Vec<Promise>,
    dir: Option<LogDir>,
    flusher: Option<Flusher>,
    logs: Vec<Option<Owned>>,
    made: u64,
    has_journal: bool,
}

/// A batch of the follower's kind carries its offsets and epoch; its leader's stamp does the same.
pub(crate) fn batch(values: &[Arc<[u8]>]) -> RecordBatch {
    let mut builder = BatchBuilder::new(TimestampType::CreateTime);
    for value in values {
        builder.push(NOW, None, Some(value), &[]).unwrap();
    }
    builder.build().unwrap()
}

impl Workload {
    /// Opens the directory and its logs. Whatever is refused leaves that much less to work with.
    pub(crate) fn begin(disk: SimDisk, seed: u64, has_journal: bool) -> Self {
        let mut workload = Self {
            disk,
            promises: Promises::default(),
            refused: Vec::new(),
            random: Seeded(seed),
            now: vec![Promise::default(); LOGS],
            dir: None,
            flusher: None,
            logs: Vec::new(),
            made: 0,
            has_journal,
        };
        for promise in &mut workload.now {
            promise.allowed.push(Branch::default());
        }
        let opened = if has_journal {
            open_journalled(&workload.disk)
        } else {
            open_dir(&workload.disk)
        };
        match opened {
            Ok(dir) => {
                let filled = dir.fill_reserve(RESERVE_BYTES);
                workload.ok(filled);
                let latch = Arc::clone(&dir.context().latch);
                workload.flusher = Some(Flusher::without_threads(latch, 100));
                workload.dir = Some(dir);
            }
            Err(error) => workload.refused.push(error.to_string()),
        }
        for number in 0..LOGS {
            let log = workload.open(number);
            workload.logs.push(log);
        }
        workload
    }

    fn open(&mut self, number: usize) -> Option<Owned> {
        let opened = open_log(self.dir.as_ref()?, number, self.now[number].generation);
        let (mut log, _) = self.ok(opened)?;
        self.now[number].flushed_end = Some(0);
        self.owe();
        log.assign_epoch(LeaderEpoch(0), Offset::ZERO).unwrap();
        Some(Owned {
            log,
            branch: Branch::default(),
            batches: Vec::new(),
            begun: None,
        })
    }

    fn ok<T, E: std::error::Error>(&mut self, result: Result<T, E>) -> Option<T> {
        result
            .map_err(|error| self.refused.push(error.to_string()))
            .ok()
    }

    /// From here on, after what was done to the disk so far, the logs owe this.
    fn owe(&mut self) {
        self.promises.set(self.disk.ops_count(), &self.now);
    }

    pub(crate) fn has_failed(&self) -> bool {
        let latched = |dir: &LogDir| dir.context().latch.failure().is_some();
        self.dir.as_ref().is_some_and(latched)
    }

    /// The directory itself could not be opened.
    pub(crate) const fn has_no_directory(&self) -> bool {
        self.dir.is_none()
    }

    pub(crate) fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.step();
        }
    }

    pub(crate) fn step(&mut self) {
        let number = self.random.below(LOGS);
        let what = self.random.below(100);
        let Some(mut owned) = self.logs[number].take() else {
            return;
        };
        match what {
            0..45 => self.append(number, &mut owned),
            45..60 => {
                self.begin_flush(&mut owned);
                self.end_flush(number, &mut owned);
            }
            60..67 => self.begin_flush(&mut owned),
            67..74 => self.end_flush(number, &mut owned),
            74..80 => {
                self.checkpoint(number, &mut owned);
                // Nobody writes for a while: the room goes, and then the descriptor.
                if self.random.one_in(3) {
                    self.checkpoint(number, &mut owned);
                    self.checkpoint(number, &mut owned);
                }
            }
            80..84 => self.new_epoch(&mut owned),
            84..90 => self.truncate(number, &mut owned),
            90..92 => self.start_over(number, &mut owned),
            92..94 => {
                let late = owned.begun.take();
                drop(owned);
                self.replace(number);
                // Of the log that was there before: it must do nothing to the new one.
                if let Some(request) = late {
                    self.sync(request);
                }
                return;
            }
            94..96 if self.has_journal => {
                self.logs[number] = self.open_again(number, owned);
                return;
            }
            96..98 if self.has_journal => {
                self.flusher.as_ref().unwrap().run_cleaning();
            }
            _ => {
                let dir = self.dir.as_ref().unwrap();
                let synced = dir.sync_flushed_ends();
                self.ok(synced);
            }
        }
        self.logs[number] = Some(owned);
    }

    fn append(&mut self, number: usize, owned: &mut Owned) {
        let mut records = owned.branch.records.to_vec();
        let mut offset = owned.branch.end();
        // A follower's append that was refused has forgotten an epoch without records.
        if owned.log.latest_epoch().is_none() {
            Self::assign_again(owned);
        }
        let epoch = owned.log.latest_epoch().unwrap();
        let (mut batches, mut places) = (Vec::new(), Vec::new());
        for _ in 0..=self.random.below(3) {
            places.push(offset);
            let mut values = Vec::new();
            for _ in 0..=self.random.below(3) {
                self.made += 1;
                let bytes = [20, 200, 2000, 3500][self.random.below(4)];
                let mut value = self.made.to_be_bytes().to_vec();
                value.resize(8 + self.random.below(bytes), self.made.to_le_bytes()[0]);
                let value: Arc<[u8]> = value.into();
                records.push((offset, epoch.0, Arc::clone(&value)));
                values.push(value);
                offset += 1;
            }
            batches.push(batch(&values));
        }
        let branch = Branch {
            start: owned.branch.start,
            records: Arc::new(records),
        };
        self.now[number].allowed.push(branch.clone());
        self.owe();
        let appended = if self.random.one_in(3) {
            let mut bytes = Vec::new();
            for (batch, base) in batches.into_iter().zip(&places) {
                bytes.extend_from_slice(batch.stamped(Offset(*base), epoch).bytes());
            }
            owned.log.append_as_follower(bytes.into(), NOW)
        } else {
            owned.log.append_as_leader(batches, epoch, NOW)
        };
        match appended {
            Ok(_) => {
                // Earlier ends lie on the way to this one; what was refused does not.
                let on_the_way = |other: &Branch| branch.records.starts_with(&other.records);
                let allowed = &mut self.now[number].allowed;
                allowed.retain(|other| other.start != branch.start || !on_the_way(other));
                allowed.push(branch.clone());
                owned.branch = branch;
                owned.batches.extend(places);
            }
            // What was refused may come back after a power cut until the file is synced again.
            Err(error @ (AppendError::NoRoom { .. } | AppendError::DirFailed(_))) => {
                self.refused.push(error.to_string());
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn begin_flush(&mut self, owned: &mut Owned) {
        if owned.begun.is_none() {
            owned.begun = owned.log.begin_flush();
        }
    }

    fn end_flush(&mut self, number: usize, owned: &mut Owned) {
        if let Some(request) = owned.begun.take() {
            self.flush(number, owned, request);
        }
    }

    /// Has a request served; now and then a file for the journal's sake, too.
    fn sync(&mut self, request: FlushRequest) -> Option<()> {
        let (tell, told) = mpsc::channel();
        let on_done = move |result| tell.send(result).unwrap();
        let flusher = self.flusher.as_ref().unwrap();
        flusher.submit(request, Box::new(on_done));
        flusher.run_waiting();
        let done = told.recv().unwrap();
        self.ok(done)
    }

    fn flush(&mut self, number: usize, owned: &mut Owned, request: FlushRequest) {
        let token: FlushToken = request.token();
        if self.sync(request).is_some() {
            owned.log.flushed(&token);
            let flushed = owned.log.flushed_end().0;
            assert!(flushed <= owned.branch.end());
            self.now[number].flushed_end = Some(flushed);
            self.now[number].may_be_empty = false;
            self.owe();
        }
    }

    fn checkpoint(&mut self, number: usize, owned: &mut Owned) {
        let begun = owned.log.begin_checkpoint();
        match self.ok(begun) {
            Some(Some(request)) => self.flush(number, owned, request),
            Some(None) => owned.log.close_idle_file(),
            None => {}
        }
        let written = self.dir.as_ref().unwrap().write_recovery_points();
        self.ok(written);
    }

    fn new_epoch(&mut self, owned: &mut Owned) {
        let latest = owned.log.latest_epoch().map_or(0, |epoch| epoch.0);
        let step = 1 + i32::try_from(self.random.below(3)).unwrap();
        let start = owned.log.log_end();
        let assigned = owned.log.assign_epoch(LeaderEpoch(latest + step), start);
        assigned.unwrap();
    }

    fn truncate(&mut self, number: usize, owned: &mut Owned) {
        let start = owned.branch.start;
        let span = usize::try_from(owned.branch.end() - start).unwrap();
        let offset = start + i64::try_from(self.random.below(span + 1)).unwrap();
        if offset == owned.branch.end() {
            return;
        }
        // The whole batch that reaches past the offset goes.
        let end = owned.batches.iter().rfind(|base| **base <= offset);
        let branch = owned.branch.cut(*end.unwrap());
        self.change_branch(number, owned, &branch, |log| {
            log.truncate_to(Offset(offset)).map(|end| end.0)
        });
        owned.batches.retain(|base| *base < owned.branch.end());
        Self::assign_again(owned);
    }

    fn start_over(&mut self, number: usize, owned: &mut Owned) {
        let start = owned.branch.end() + 100;
        let branch = Branch {
            start,
            records: Arc::default(),
        };
        self.now[number].may_be_empty = true;
        self.change_branch(number, owned, &branch, |log| {
            log.truncate_fully_and_start_at(Offset(start))
                .map(|()| start)
        });
        if owned.branch.start == start {
            owned.batches.clear();
        }
        Self::assign_again(owned);
    }

    /// Cuts forget epochs without records; the owner leads on in a later one.
    fn assign_again(owned: &mut Owned) {
        let last = owned.branch.records.last().map_or(0, |record| record.1);
        if owned
            .log
            .latest_epoch()
            .is_none_or(|epoch| epoch.0 < last + 1)
        {
            let epoch = LeaderEpoch(last.max(owned.log.latest_epoch().map_or(0, |e| e.0)) + 1);
            let start = owned.log.log_end();
            owned.log.assign_epoch(epoch, start).unwrap();
        }
    }

    fn change_branch(
        &mut self,
        number: usize,
        owned: &mut Owned,
        branch: &Branch,
        change: impl FnOnce(&mut Log) -> Result<i64, TruncateError>,
    ) {
        let before = self.now[number].clone();
        let kept = if branch.start == owned.branch.start {
            branch.end()
        } else {
            0
        };
        let promise = &mut self.now[number];
        promise.flushed_end = promise.flushed_end.map(|flushed| flushed.min(kept));
        promise.allowed.push(branch.clone());
        self.owe();
        match change(&mut owned.log) {
            Ok(end) => {
                assert_eq!(end, branch.end());
                self.now[number] = Promise {
                    flushed_end: Some(end.min(before.flushed_end.unwrap_or(0)).max(branch.start)),
                    allowed: vec![branch.clone()],
                    ..before
                };
                if branch.start == end {
                    self.now[number].flushed_end = Some(end);
                }
                self.now[number].may_be_empty = false;
                owned.branch = branch.clone();
                self.owe();
            }
            Err(error @ TruncateError::DirFailed(_)) => {
                self.refused.push(error.to_string());
                let shown = (owned.log.log_start().0, owned.log.log_end().0);
                if shown == (branch.start, branch.end()) {
                    owned.branch = branch.clone();
                }
            }
            Err(error) => {
                self.refused.push(error.to_string());
                self.now[number] = before;
                self.owe();
            }
        }
    }

    /// Deletes the log and makes another one of the same name for another topic.
    fn replace(&mut self, number: usize) {
        let promise = &mut self.now[number];
        *promise = Promise {
            generation: promise.generation,
            flushed_end: None,
            allowed: promise.allowed.clone(),
            may_be_empty: true,
            is_going: true,
        };
        self.owe();
        let dir = self.dir.as_ref().unwrap();
        let aside = dir.set_aside(&[partition(number)], Aside::Delete);
        if self.ok(aside).is_none() {
            return;
        }
        let removed = self.dir.as_ref().unwrap().remove_deleted();
        self.ok(removed);
        let promise = &mut self.now[number];
        promise.generation += 1;
        promise.is_going = false;
        promise.allowed = vec![Branch::default()];
        self.owe();
        self.logs[number] = self.open(number);
    }

    /// Opens the log again in the same process, after an owner that went without a word.
    fn open_again(&mut self, number: usize, owned: Owned) -> Option<Owned> {
        let Owned {
            log,
            branch,
            batches,
            begun,
        } = owned;
        log.discard();
        let opened = open_log(self.dir.as_ref()?, number, self.now[number].generation);
        // Of the owner before: it must do nothing to this one's journal.
        if let Some(request) = begun {
            self.sync(request);
        }
        let (log, _) = self.ok(opened)?;
        assert_eq!(log.log_end().0, branch.end());
        self.now[number].flushed_end = Some(log.flushed_end().0);
        self.owe();
        let mut owned = Owned {
            log,
            branch,
            batches,
            begun: None,
        };
        Self::assign_again(&mut owned);
        Some(owned)
    }

    /// Reads everything: what is shown is what was appended, whatever has failed.
    pub(crate) fn check_readers(&self) -> Result<(), String> {
        for owned in self.logs.iter().flatten() {
            let shown: Vec<Record> = read_all(&owned.log)?;
            if shown != *owned.branch.records {
                return Err(format!(
                    "shows {} records, {} were appended",
                    shown.len(),
                    owned.branch.records.len()
                ));
            }
        }
        Ok(())
    }

    /// Closes all logs and marks the directory, if nothing is refused.
    pub(crate) fn stop_cleanly(&mut self) {
        let mut all = true;
        for number in 0..LOGS {
            let Some(owned) = self.logs[number].take() else {
                continue;
            };
            let closed = owned.log.close();
            match self.ok(closed) {
                Some(end) => {
                    assert_eq!(end.0, owned.branch.end());
                    self.now[number].flushed_end = Some(end.0);
                    self.now[number].allowed = vec![owned.branch];
                    self.owe();
                }
                None => all = false,
            }
        }
        if all && let Some(dir) = &self.dir {
            let marked = dir.mark_clean_shutdown(None);
            self.ok(marked);
        }
    }
}
