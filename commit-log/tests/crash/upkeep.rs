//! A power cut at any point of what shortens a log for good: compaction and its swaps, retention,
//! deletions of records, moves of the log start, each between appends, flushes and checkpoints. And
//! all of it on a disk that is full from some moment on, but for what is reserved and what goes.
//!
//! What a log owes is no list here: it may lack a record below its start, and one that is superseded.
//! So each that is absent must have its reason.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use trimaran_commit_log::{
    AppendError, CleanControl, CleanError, CleanJob, CleanedSegment, Cleaner, CleanerSettings,
    CloseError, CompactionSettings, FlushRequest, Flusher, Log, LogConfig, LogDir, ReplaceError,
    Replaced,
};
use trimaran_types::record_batch::{BatchBuilder, RecordBatch, TimestampType, split};
use trimaran_types::{LeaderEpoch, Offset, Timestamp};

use crate::power_cut::{Limits, PowerCut, Subsets, Tried};
use crate::promises::{open_dir, open_journalled, partition, topic_id};
use crate::seeded::Seeded;
use crate::sim_disk::{Op, SimDisk, Tree};

pub(crate) const EPOCH: LeaderEpoch = LeaderEpoch(0);
pub(crate) const NOW: Timestamp = Timestamp(1_700_000_000_000);
const STEPS: usize = 45;
/// Steps before the disk is full, after that, and how much of it is reserved then.
const STEPS_WITH_ROOM: usize = 25;
const STEPS_TO_LENGTHEN: usize = 30;
const STEPS_WITHOUT_ROOM: usize = 60;
const RESERVE_BYTES: u64 = 32 * 1024;

/// Every so many states, the recovered log is cleaned and looked at again.
const CLEANED_EVERY: usize = 61;

const LIMITS: Limits = Limits {
    trees_whole_max: 1 << 10,
    pairs_max: 10,
    chances: 2,
};

/// Key, and value or tombstone; its offset is its place.
pub(crate) type Written = (u8, Option<Arc<[u8]>>);

/// What a log owes at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Owed {
    pub(crate) flushed_end: i64,
    pub(crate) written_end: usize,
    /// The start is on the disk; it may have been raised further, up to the second.
    pub(crate) start: (i64, i64),
    /// Compaction has looked at nothing beyond it.
    pub(crate) cleaned_before: i64,
}

/// On which disk, and how it is made durable.
#[derive(Debug, Clone, Copy, Default)]
struct Form {
    gets_full: bool,
    has_journal: bool,
}

struct Upkeep {
    disk: SimDisk,
    dir: LogDir,
    flusher: Flusher,
    log: Log,
    random: Seeded,
    /// Whether retention and clients take records from the front. Where they do not, compaction gets
    /// to merge what it has left of old segments. A full disk is cleared by it.
    shortens: bool,
    written: Vec<Written>,
    /// Batches that found no room, by how many records they have: the next append repeats them.
    refused: Vec<usize>,
    now: Owed,
    owed: Vec<(usize, Owed)>,
    done: Done,
}

/// What the workload has done, or the test proves nothing.
#[derive(Debug, Default)]
struct Done {
    subsets: Tried,
    recovered: usize,
    replays: usize,
    swaps: usize,
    /// Segments that went into one with their neighbours.
    merged: u64,
    deletions: usize,
    trims: usize,
    refusals: usize,
}

pub(crate) fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 2_000,
        index_interval_bytes: 500,
        tail_bytes_max: 0,
        compacted: true,
        deletes: true,
        ..LogConfig::default()
    }
}

pub(crate) fn open(dir: &LogDir) -> Log {
    let start = dir.open_as(&partition(0), topic_id(0));
    let path = dir.partition_dir(&partition(0));
    let (log, _) = Log::open(dir.context(), &path, config(), start)
        .unwrap_or_else(|error| panic!("not opened: {error:?}"));
    log
}

pub(crate) fn batch(records: &[Written]) -> RecordBatch {
    let mut builder = BatchBuilder::new(TimestampType::CreateTime);
    for (key, value) in records {
        builder
            .push(NOW, Some(&[*key]), value.as_deref(), &[])
            .unwrap();
    }
    builder.build().unwrap()
}

/// The owner, on this thread.
pub(crate) struct Owner<'a>(pub(crate) &'a mut Log, pub(crate) usize);

impl CleanControl for Owner<'_> {
    fn go_on_after(&mut self, _bytes: u64) -> Option<std::time::Duration> {
        Some(std::time::Duration::ZERO)
    }

    fn replace(&mut self, cleaned: CleanedSegment) -> Result<Replaced, ReplaceError> {
        self.1 += 1;
        self.0.replace_segments(&cleaned)
    }
}

/// A pass over all that is durable; tells how many segments it swapped in, and by how many fewer they
/// are than those whose place they took.
pub(crate) fn clean(log: &mut Log) -> (usize, u64) {
    let settings = CompactionSettings {
        dirty_ratio_min: 0.0,
        ..CompactionSettings::default()
    };
    let reader = log.reader();
    let Some(plan) = reader.plan_cleaning(log.flushed_end(), &settings, NOW) else {
        return (0, 0);
    };
    let (config, producer_ends) = (log.config().clone(), log.producer_ends());
    let job = CleanJob {
        log: &reader,
        config: &config,
        plan,
        settings: &settings,
        producer_ends: &producer_ends,
        now: NOW,
    };
    let memory = CleanerSettings {
        map_bytes_max: 1 << 16,
        io_bytes: 700,
    };
    let mut owner = Owner(log, 0);
    match Cleaner::new(memory).clean(&job, &mut owner) {
        Ok(report) => (owner.1, report.segments_before - report.segments_after),
        Err(CleanError::Changed) => (0, 0),
        Err(CleanError::NoRoom { .. }) => (owner.1, 0),
        Err(error) => panic!("{error:?}"),
    }
}

impl Upkeep {
    fn begin(seed: u64, form: Form) -> Self {
        let disk = SimDisk::empty();
        let dir = if form.has_journal {
            open_journalled(&disk).unwrap()
        } else {
            open_dir(&disk).unwrap()
        };
        let latch = Arc::clone(&dir.context().latch);
        let mut log = open(&dir);
        log.assign_epoch(EPOCH, Offset::ZERO).unwrap();
        Self {
            owed: vec![(disk.ops_count(), Owed::default())],
            disk,
            dir,
            flusher: Flusher::without_threads(latch, 10),
            log,
            random: Seeded(seed),
            shortens: form.gets_full || seed.is_multiple_of(2),
            written: Vec::new(),
            refused: Vec::new(),
            now: Owed::default(),
            done: Done::default(),
        }
    }

    /// From here on, after what was done to the disk so far.
    fn owe(&mut self) {
        self.owed.push((self.disk.ops_count(), self.now));
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..45 => self.append(),
            45..60 => self.flush(),
            60..66 if self.shortens => self.retain(),
            66..72 if self.shortens => self.trim(),
            60..90 => self.clean(),
            90..95 => self.dir.sync_flushed_ends().unwrap(),
            _ => self.checkpoint(),
        }
    }

    fn append(&mut self) {
        if self.refused.is_empty() {
            self.write_some();
        }
        let sizes = std::mem::take(&mut self.refused);
        let mut rest = &self.written[self.written.len() - sizes.iter().sum::<usize>()..];
        let mut batches = Vec::new();
        for size in &sizes {
            let (records, others) = rest.split_at(*size);
            batches.push(batch(records));
            rest = others;
        }
        self.now.written_end = self.written.len();
        self.owe();
        match self.log.append_as_leader(batches, EPOCH, NOW) {
            Ok(_) => {}
            Err(AppendError::NoRoom { .. }) => {
                self.done.refusals += 1;
                self.refused = sizes;
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Thinks of records that are to be appended next.
    fn write_some(&mut self) {
        for _ in 0..=self.random.below(3) {
            let first = self.written.len();
            for _ in 0..=self.random.below(2) {
                let number = self.written.len();
                let mut value = number.to_be_bytes().to_vec();
                value.resize(8 + self.random.below(600), number.to_le_bytes()[0]);
                let value = (!self.random.one_in(9)).then(|| Arc::from(value));
                let key = u8::try_from(self.random.below(7)).unwrap();
                self.written.push((key, value));
            }
            self.refused.push(self.written.len() - first);
        }
    }

    fn sync(&mut self, request: FlushRequest) {
        let token = request.token();
        self.flusher.submit(request, Box::new(|done| done.unwrap()));
        self.flusher.run_waiting();
        if self.dir.context().journal.is_some() && self.random.one_in(4) {
            self.flusher.run_cleaning();
        }
        self.log.flushed(&token);
        self.now.flushed_end = self.log.flushed_end().0;
        self.owe();
    }

    fn flush(&mut self) {
        if let Some(request) = self.log.begin_flush() {
            self.sync(request);
        }
    }

    fn checkpoint(&mut self) {
        match self.log.begin_checkpoint() {
            Ok(Some(request)) => self.sync(request),
            // Its indexes have no room.
            Ok(None) | Err(CloseError::Io { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        self.dir.write_recovery_points().unwrap();
    }

    /// The log start moves, then it is written, as a broker does it.
    fn write_start(&mut self) {
        self.dir.write_log_starts().unwrap();
        self.now.start.0 = self.log.log_start().0;
        self.owe();
    }

    fn retain(&mut self) {
        let bytes = self.log.bytes();
        let retention_bytes = Some(bytes * 3 / 4);
        let config = LogConfig {
            retention_bytes,
            ..self.log.config().clone()
        };
        self.log.set_config(config).unwrap();
        // It may move as far as this with the first change that it makes.
        self.now.start.1 = self.log.flushed_end().0;
        self.owe();
        let retained = self.log.retain(self.log.flushed_end(), NOW).unwrap();
        self.now.start.1 = self.log.log_start().0;
        self.owe();
        let Some(retained) = retained else { return };
        if retained.rolled {
            self.dir.sync_log(&partition(0)).unwrap();
        }
        self.write_start();
        while let Some(deleted) = self.log.delete_segments(retained.log_start).unwrap() {
            self.done.deletions += 1;
            deleted.sync().unwrap();
            let is_all = deleted.is_all();
            // Sometimes the broker stops before the delay is over.
            if !self.random.one_in(3) {
                deleted.remove().unwrap();
            }
            if is_all {
                break;
            }
        }
    }

    /// A client deletes records, into the middle of a segment as a rule.
    fn trim(&mut self) {
        let (start, end) = (self.log.log_start().0, self.log.flushed_end().0);
        let span = usize::try_from(end - start).unwrap();
        let to = start + i64::try_from(self.random.below(span + 1)).unwrap();
        self.now.start.1 = to;
        self.owe();
        self.log.raise_log_start(Offset(to));
        self.write_start();
        self.done.trims += usize::from(to > start);
    }

    fn clean(&mut self) {
        self.now.cleaned_before = self.log.flushed_end().0;
        self.owe();
        let (swaps, merged) = clean(&mut self.log);
        self.done.swaps += swaps;
        self.done.merged += merged;
    }
}

/// Offset and content of every record that the log shows.
pub(crate) fn shown(log: &Log) -> Result<Vec<(i64, Written)>, String> {
    let reader = log.reader();
    let mut all = Vec::new();
    let mut from = reader.log_start();
    while from < log.log_end() {
        let bytes = reader
            .read(from, Offset(i64::MAX), 2_000)
            .map_err(|error| format!("read from {from}: {error:?}"))?;
        if bytes.is_empty() {
            return Err(format!("nothing at {from}, the end is {}", log.log_end()));
        }
        for batch in split(bytes) {
            let batch = batch.unwrap();
            for record in batch.records().unwrap() {
                let record = record.unwrap();
                let value = record.value.map(|value| Arc::from(&value[..]));
                all.push((record.offset.0, (record.key.unwrap()[0], value)));
            }
            from = batch.header().next_offset();
        }
    }
    // A batch that holds the start may begin before it.
    all.retain(|(offset, _)| *offset >= log.log_start().0);
    Ok(all)
}

pub(crate) fn check(log: &Log, written: &[Written], owed: &Owed) -> Result<(), String> {
    let (start, end) = (log.log_start().0, log.log_end().0);
    if !(owed.start.0..=owed.start.1).contains(&start) {
        return Err(format!("starts at {start}"));
    }
    let written_end = i64::try_from(owed.written_end).unwrap();
    if !(owed.flushed_end..=written_end).contains(&end) {
        return Err(format!("ends at {end}"));
    }
    let mut expected = start;
    // The last record that is shown of each key.
    let mut last = [None; 256];
    let shown = shown(log)?;
    for (offset, record) in &shown {
        if &written[usize::try_from(*offset).unwrap()] != record {
            return Err(format!("another record at {offset}"));
        }
        last[usize::from(record.0)] = Some(*offset);
    }
    for offset in shown.iter().map(|(offset, _)| *offset).chain([end]) {
        for absent in expected..offset {
            let key = written[usize::try_from(absent).unwrap()].0;
            let is_superseded = last[usize::from(key)] > Some(absent);
            if absent >= owed.cleaned_before || !is_superseded {
                return Err(format!("{absent} is gone without a reason"));
            }
        }
        expected = offset + 1;
    }
    Ok(())
}

/// Recovers, twice, and now and then cleans what was recovered.
///
/// Tells how often it put in place what a journal had.
pub(crate) fn recover(
    disk: &SimDisk,
    written: &[Written],
    owed: &Owed,
    cleans: bool,
) -> Result<usize, String> {
    let mut found = None;
    let mut replays = 0;
    for round in 0..2 {
        let segment_writes = disk.segment_writes();
        let dir = open_dir(disk).map_err(|error| format!("{error:?}"))?;
        replays += disk.segment_writes() - segment_writes;
        let mut log = open(&dir);
        check(&log, written, owed)?;
        let now = (log.log_start(), log.log_end());
        if *found.get_or_insert(now) != now {
            return Err(format!("{found:?}, then {now:?}"));
        }
        if cleans && round == 1 {
            clean(&mut log);
            let owed = Owed {
                cleaned_before: log.flushed_end().0,
                ..*owed
            };
            check(&log, written, &owed).map_err(|error| format!("cleaned again: {error}"))?;
        }
        let names = trimaran_commit_log::Disk::list(disk, Path::new("/data/logs/t-0")).unwrap();
        let is_rest = |name: &str| name.ends_with(".swap") || name.ends_with(".cleaned");
        if names.iter().any(|entry| is_rest(&entry.name)) {
            return Err(format!("rests: {names:?}"));
        }
    }
    Ok(replays)
}

/// What some upkeep does to an empty disk.
pub(crate) fn recorded(seed: u64, has_journal: bool) -> (Tree, Vec<Op>) {
    let form = Form {
        has_journal,
        ..Form::default()
    };
    let mut upkeep = Upkeep::begin(seed, form);
    (0..STEPS).for_each(|_| upkeep.step());
    upkeep.disk.recorded()
}

fn crash_everywhere(seed: u64, form: Form) -> Done {
    let mut upkeep = Upkeep::begin(seed, form);
    let gets_full = form.gets_full;
    // Before the log was begun, nothing is owed; and what comes before the disk is full is looked at
    // without that.
    let mut looked_at_from = upkeep.owed[0].0;
    for _ in 0..if gets_full { STEPS_WITH_ROOM } else { STEPS } {
        upkeep.step();
    }
    if gets_full && form.has_journal {
        // Or its files would have no room either.
        for _ in 0..STEPS_TO_LENGTHEN {
            upkeep.append();
            upkeep.flush();
        }
    }
    if gets_full {
        upkeep.dir.fill_reserve(RESERVE_BYTES).unwrap();
        upkeep.disk.fill_up();
        looked_at_from = upkeep.disk.ops_count();
        for _ in 0..STEPS_WITHOUT_ROOM {
            upkeep.step();
        }
    }
    check(&upkeep.log, &upkeep.written, &upkeep.now).unwrap();
    let Upkeep {
        disk,
        log,
        dir,
        written,
        owed,
        mut done,
        ..
    } = upkeep;
    drop((log, dir));
    let (base, ops) = disk.recorded();
    let mut cut = PowerCut::before_anything(&base);
    let mut subsets = Subsets::new(LIMITS, !seed);
    for (count, op) in (1..).zip(&ops) {
        cut.after(op);
        if count < looked_at_from {
            continue;
        }
        let at = owed.partition_point(|(from, _)| *from <= count) - 1;
        // A change that is under way may show what it is about to owe; what is owed is lowered first
        // and raised last.
        let now = owed[at].1;
        subsets.each(&cut, at, |way, tree| {
            let left = SimDisk::holding(tree);
            done.recovered += 1;
            let cleans = done.recovered.is_multiple_of(CLEANED_EVERY);
            done.replays += recover(&left, &written, &now, cleans).unwrap_or_else(|error| {
                panic!(
                    "seed {seed}, {count} changes, {way:.4000?}: {error}\n{now:?}\nafter {op:.200?}"
                )
            });
        });
    }
    done.subsets = subsets.tried;
    done
}

fn crash_with_many_seeds(seeds: Range<u64>, form: Form) -> Done {
    let began = Instant::now();
    let mut all = Done::default();
    for seed in seeds {
        let done = crash_everywhere(seed, form);
        all.subsets.add(&done.subsets);
        all.recovered += done.recovered;
        all.replays += done.replays;
        all.swaps += done.swaps;
        all.merged += done.merged;
        all.deletions += done.deletions;
        all.trims += done.trims;
        all.refusals += done.refusals;
    }
    println!("{form:?}: {all:#?} in {:.1?}", began.elapsed());
    all
}

#[test]
fn a_power_cut_during_upkeep_loses_nothing_that_was_to_stay() {
    let all = crash_with_many_seeds(crate::seeds(2, 24), Form::default());
    check_upkeep(&all);
}

#[test]
fn nor_does_it_with_a_journal_in_front_of_the_log() {
    let form = Form {
        has_journal: true,
        ..Form::default()
    };
    let all = crash_with_many_seeds(crate::seeds(2, 24), form);
    check_upkeep(&all);
    assert!(all.replays > 100, "{all:?}");
}

fn check_upkeep(all: &Done) {
    assert!(
        all.swaps > 10 && all.merged > 0 && all.deletions > 2 && all.trims > 0,
        "{all:?}"
    );
}

#[test]
fn a_power_cut_while_a_full_disk_is_cleared_loses_nothing_that_was_to_stay() {
    let form = Form {
        gets_full: true,
        ..Form::default()
    };
    let all = crash_with_many_seeds(crate::seeds(2, 24), form);
    check_clearing(&all);
}

#[test]
fn nor_does_it_there_with_a_journal_in_front_of_the_log() {
    let form = Form {
        gets_full: true,
        has_journal: true,
    };
    let all = crash_with_many_seeds(crate::seeds(1, 24), form);
    assert!(
        all.replays > 100 && all.deletions > 0 && all.trims > 0 && all.refusals > 0,
        "{all:?}"
    );
}

fn check_clearing(all: &Done) {
    assert!(
        all.deletions > 3 && all.trims > 2 && all.refusals > 0,
        "{all:?}"
    );
}
