//! Producers and transactions across power cuts and failing calls: what a recovered log knows of its
//! producers is what its surviving batches say, and nothing of those that are gone.
//!
//! So a repetition of a batch that survived is answered with its offsets, and one that was lost is
//! taken as new (promise P-ONCE); the last stable offset and the aborted transactions are those of
//! the surviving markers.

pub(crate) mod oracle;
mod sender;

use std::ops::Range;
use std::time::Instant;

use trimaran_commit_log::Log;
use trimaran_types::Offset;
use trimaran_types::record_batch::{RecordBatch, split};

use crate::power_cut::{Limits, PowerCut, Subsets, Survives, Tried};
use crate::promises::open_dir;
use crate::seeded::Seeded;
use crate::sim_disk::{Fault, Op, SimDisk};
use oracle::{Known, REMEMBERED};
use sender::{NOW, Owed, Sender, find, is_marker, lead, open};

const STEPS: usize = 45;
/// Of a sender with a journal, but in a long run.
const STEPS_JOURNALLED: usize = 25;
const LIMITS: Limits = Limits {
    trees_whole_max: 1 << 12,
    pairs_max: 40,
    chances: 4,
};

/// Every so many trees, the log that took the lost batches again is stopped and looked at.
const STOPPED_EVERY: usize = 5;

#[derive(Debug, Default)]
struct Done {
    subsets: Tried,
    recovered: usize,
    cuts: usize,
    restarts: usize,
    aborted: usize,
    committed: usize,
    /// Files that were made.
    snapshots: usize,
    indexes_of_aborted: usize,
    /// Of the recovered logs.
    repetitions: usize,
    taken_again: usize,
    /// Writes that put in place what a journal had.
    replays: usize,
}

impl Done {
    fn add(&mut self, other: &Self) {
        self.subsets.add(&other.subsets);
        self.recovered += other.recovered;
        self.cuts += other.cuts;
        self.restarts += other.restarts;
        self.aborted += other.aborted;
        self.committed += other.committed;
        self.snapshots += other.snapshots;
        self.indexes_of_aborted += other.indexes_of_aborted;
        self.repetitions += other.repetitions;
        self.taken_again += other.taken_again;
        self.replays += other.replays;
    }
}

fn all_batches(log: &Log) -> Result<Vec<RecordBatch>, String> {
    let mut all = Vec::new();
    let mut from = Offset::ZERO;
    while from < log.log_end() {
        let bytes = log
            .reader()
            .read(from, Offset(i64::MAX), 700)
            .map_err(|error| format!("read from {from}: {error}"))?;
        if bytes.is_empty() {
            return Err(format!("nothing at {from}, the end is {}", log.log_end()));
        }
        for batch in split(bytes) {
            let batch = batch.map_err(|error| error.to_string())?;
            from = batch.header().next_offset();
            all.push(batch);
        }
    }
    Ok(all)
}

/// Bit for bit, but for the leader's epoch, which is the test's own.
fn is_same(a: &RecordBatch, b: &RecordBatch) -> bool {
    let (a, b) = (a.bytes(), b.bytes());
    a.len() == b.len() && a[..12] == b[..12] && a[16..] == b[16..]
}

fn is_front(front: &[RecordBatch], of: &[RecordBatch]) -> bool {
    front.len() <= of.len() && front.iter().zip(of).all(|(a, b)| is_same(a, b))
}

/// Opens the log and checks what it holds and knows.
fn recovered(disk: &SimDisk, owed: &Owed) -> Result<(Log, Vec<RecordBatch>), String> {
    let dir = open_dir(disk).map_err(|error| format!("directory: {error:?}"))?;
    let mut log = open(&dir, owed).map_err(|error| format!("log: {error:?}"))?;
    let end = log.log_end().0;
    if end < owed.flushed_end {
        return Err(format!("ends at {end}, promised {}", owed.flushed_end));
    }
    let batches = all_batches(&log)?;
    if !owed.allowed.iter().any(|all| is_front(&batches, all)) {
        return Err(format!("up to {end} it holds what was never there"));
    }
    Known::of(&batches).check(&mut log)?;
    Ok((log, batches))
}

/// Producers send what they sent last, then what was lost.
fn send_again(log: &mut Log, batches: &[RecordBatch], owed: &Owed) -> Result<[usize; 2], String> {
    let epoch = lead(log);
    let mut counts = [0, 0];
    let known = Known::of(batches);
    for producer in known.producers.values() {
        for (base, last, _) in producer.batches.iter().rev().take(REMEMBERED) {
            let batch = find(batches, *base).clone();
            let end = log.log_end();
            let answer = log
                .append_as_leader(vec![batch], epoch, NOW)
                .map_err(|error| format!("repetition of {base}: {error}"))?
                .batches[0];
            let is_right = answer.is_duplicate && (answer.base.0, answer.last.0) == (*base, *last);
            if !is_right || log.log_end() != end {
                return Err(format!("repetition of {base}: {answer:?}"));
            }
            counts[0] += 1;
        }
    }
    let fitting = owed.allowed.iter().filter(|all| is_front(batches, all));
    let history = fitting.max_by_key(|all| all.len()).unwrap();
    for lost in &history[batches.len()..] {
        let base = lost.header().base_offset;
        let appended = if is_marker(lost) {
            log.append_as_coordinator(vec![lost.clone()], epoch, NOW)
        } else {
            log.append_as_leader(vec![lost.clone()], epoch, NOW)
        };
        let answer = appended
            .map_err(|error| format!("lost {base} again: {error}"))?
            .batches[0];
        if answer.is_duplicate || answer.base != base {
            return Err(format!("lost {base} again: {answer:?}"));
        }
        counts[1] += usize::from(lost.header().producer.is_some());
    }
    Known::of(history.iter()).check(log)?;
    Ok(counts)
}

/// Recovers twice, sends again, and now and then stops and looks once more. Tells how many repetitions
/// and batches that were lost it sent, and how often a journal was put in place.
fn check(disk: &SimDisk, owed: &Owed, stop: Option<bool>) -> Result<[usize; 3], String> {
    let written = disk.segment_writes();
    let first = recovered(disk, owed)?.1.len();
    let replays = disk.segment_writes() - written;
    let (mut log, batches) = recovered(disk, owed).map_err(|error| format!("again: {error}"))?;
    if batches.len() != first {
        return Err(format!("again: {} batches, then {}", first, batches.len()));
    }
    let [repetitions, taken_again] = send_again(&mut log, &batches, owed)?;
    match stop {
        None => {}
        Some(true) => {
            let end = log.close().map_err(|error| format!("close: {error}"))?;
            let (log, _) = recovered(disk, owed).map_err(|error| format!("closed: {error}"))?;
            if log.log_end() != end {
                return Err(format!("closed at {end}, then {}", log.log_end()));
            }
        }
        Some(false) => {
            drop(log);
            recovered(disk, owed).map_err(|error| format!("killed: {error}"))?;
        }
    }
    Ok([repetitions, taken_again, replays])
}

fn crash_everywhere(seed: u64, has_journal: bool) -> Done {
    let mut sender = Sender::begin(SimDisk::empty(), seed, has_journal);
    let steps = if has_journal && !crate::is_long() {
        STEPS_JOURNALLED
    } else {
        STEPS
    };
    for _ in 0..steps {
        sender.step();
        sender.check_knowledge();
    }
    assert_eq!(sender.refused, Vec::<String>::new(), "seed {seed}");
    let known = sender.known();
    let mut done = Done {
        cuts: sender.cuts,
        restarts: sender.restarts,
        aborted: known.aborted.len(),
        committed: known.committed,
        ..Done::default()
    };
    let (owed, disk) = (sender.owed, sender.disk);
    drop((sender.log, sender.dir));
    let (base, ops) = disk.recorded();
    let is_made = |kind: &str| {
        let made = |op: &Op| matches!(op, Op::Make { name, .. } if name.ends_with(kind));
        ops.iter().filter(|op| made(op)).count()
    };
    done.snapshots = is_made(".snapshot");
    done.indexes_of_aborted = is_made(".txnindex");
    let mut cut = PowerCut::before_anything(&base);
    let mut subsets = Subsets::new(LIMITS, !seed);
    for (count, op) in (1..).zip(&ops) {
        cut.after(op);
        let at = owed.partition_point(|(from, _)| *from <= count) - 1;
        let now = &owed[at].1;
        subsets.each(&cut, at, |way, tree| {
            done.recovered += 1;
            let stops = done.recovered.is_multiple_of(STOPPED_EVERY);
            let stop = stops.then_some(done.recovered.is_multiple_of(2));
            let found = check(&SimDisk::holding(tree), now, stop);
            let [repetitions, taken_again, replays] = found.unwrap_or_else(|error| {
                panic!("seed {seed}, {count} changes, {way:.4000?}: {error}\nafter {op:.200?}")
            });
            done.repetitions += repetitions;
            done.taken_again += taken_again;
            done.replays += replays;
        });
    }
    done.subsets = subsets.tried;
    done
}

fn crash_all(seeds: Range<u64>, has_journal: bool) -> Done {
    let began = Instant::now();
    let mut all = Done::default();
    for seed in seeds {
        all.add(&crash_everywhere(seed, has_journal));
    }
    println!(
        "journal: {has_journal}: {all:#?} in {:.1?}",
        began.elapsed()
    );
    all
}

#[test]
fn after_a_power_cut_a_log_knows_of_its_producers_what_its_batches_say() {
    let all = crash_all(crate::seeds(2, 24), false);
    assert!(
        all.aborted > 2 && all.committed > 2 && all.cuts > 1 && all.restarts > 0,
        "{all:?}"
    );
    assert!(all.snapshots > 5 && all.indexes_of_aborted > 1, "{all:?}");
    assert!(all.repetitions > 1000 && all.taken_again > 1000, "{all:?}");
}

#[test]
fn so_it_does_with_a_journal_in_front_of_it() {
    let all = crash_all(crate::seeds(1, 24), true);
    assert!(all.replays > 200 && all.cuts > 0, "{all:?}");
    assert!(all.repetitions > 1000 && all.taken_again > 300, "{all:?}");
}

#[derive(Debug, Default)]
struct Seen {
    faults: usize,
    /// Of these, calls that another sweep fails in the same way.
    plain: usize,
    latched: usize,
    refused: usize,
    unnoticed: usize,
}

/// Fails one call. Then the state of producers is as it was or the directory has failed, and what
/// was synced is there for the next process.
fn fail_call(seed: u64, call: usize, (fault, has_journal): (Fault, bool), seen: &mut Seen) -> bool {
    let disk = SimDisk::empty();
    disk.fail_at(call, fault);
    let mut sender = Sender::begin(disk.clone(), seed, has_journal);
    let mut left = STEPS;
    while left > 0 && disk.failed_call().is_none() {
        sender.step();
        left -= 1;
    }
    let Some(failed) = disk.failed_call() else {
        return false;
    };
    let name = format!("seed {seed}, call {call}, {fault:?} ({failed}), journal: {has_journal}");
    seen.faults += 1;
    if fault.is_plain_for(failed) && !crate::is_long() {
        seen.plain += 1;
        return true;
    }
    let has_failed = sender.has_failed();
    let ops = disk.ops_count();
    for _ in 0..10 {
        sender.step();
        sender.check_knowledge();
    }
    if has_failed {
        seen.latched += 1;
        assert_eq!(disk.ops_count(), ops, "{name}: written after the failure");
    } else if sender.refused.is_empty() {
        seen.unnoticed += 1;
    } else {
        seen.refused += 1;
    }
    let is_sync = matches!(failed, "sync_data" | "sync_dir") && fault == Fault::Errno(EIO);
    let is_over = has_failed || sender.log.is_none();
    assert!(!is_sync || is_over, "{name}: a failed sync is forgotten");
    let owed = sender.owed.last().unwrap().1.clone();
    drop((sender.log, sender.dir));
    let (base, ops) = disk.recorded();
    let mut cut = PowerCut::before_anything(&base);
    ops.iter().for_each(|op| cut.after(op));
    let chance = Survives::Some(Seeded(seed ^ call as u64).next());
    let ways = [Survives::Nothing, Survives::Everything, chance];
    let trees = ways.map(|way| (Some(way), cut.leaves(way)));
    for (way, tree) in [(None, disk.live())].into_iter().chain(trees) {
        check(&SimDisk::holding(tree), &owed, None)
            .unwrap_or_else(|error| panic!("{name}, {way:?}: {error}"));
    }
    true
}

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// Fails every call in turn, or one in `every`.
fn fail_every_call(fault: Fault, has_journal: bool, seeds: Range<u64>, every: usize) {
    let mut seen = Seen::default();
    for seed in seeds {
        let what = (fault, has_journal);
        let calls = (1..).step_by(every);
        let calls = calls.take_while(|call| fail_call(seed, *call, what, &mut seen));
        assert!(calls.count() * every > 100, "{seen:?}");
    }
    println!("{fault:?}, journal: {has_journal}: {seen:?}");
    assert!(
        (seen.latched + seen.refused + seen.plain) * every > 100,
        "{seen:?}"
    );
}

#[test]
fn whatever_call_fails_a_log_knows_of_its_producers_what_its_batches_say() {
    // Most calls are the same in both forms.
    let every = if crate::is_long() { 1 } else { 3 };
    for fault in [
        Fault::Errno(EIO),
        Fault::Errno(ENOSPC),
        Fault::Short(ENOSPC),
        Fault::Short(EIO),
    ] {
        fail_every_call(fault, false, crate::seeds(3, 60), 1);
        fail_every_call(fault, true, crate::seeds(1, 60), every);
    }
}
