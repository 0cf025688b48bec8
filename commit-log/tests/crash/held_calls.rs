//! A call to the disk that hangs holds up who made it, and nobody else.
//!
//! Each call of one log's owner, and of the flusher for it, waits in turn at a gate. Until the gate
//! opens, readers of that log and of another one read on, the other one takes appends and is
//! flushed, nothing of the held log is reported durable, and a power cut loses nothing that was.
//!
//! Where there is a journal, its groups are written one at a time: while one hangs, small flushes wait, and
//! those that go to files do not.
//!
//! One exception: while the files of a compacted segment take their names, that log's own readers
//! wait for the renames (ADR 0009).

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use trimaran_commit_log::{
    CleanJob, Cleaner, CleanerSettings, CompactionSettings, FlushError, FlushRequest, FlushToken,
    Flusher, Log, LogConfig, LogDir, LogReader,
};
use trimaran_types::record_batch::split;
use trimaran_types::{LeaderEpoch, Offset, Timestamp};

use crate::power_cut::{PowerCut, Survives};
use crate::promises::{open_dir, open_journalled, open_log, read_all};
use crate::sim_disk::{HeldCall, SimDisk};
use crate::upkeep::{self, EPOCH, NOW, Owner, Written};

/// Only how long a log that hangs takes to fail the test.
const PATIENCE: Duration = Duration::from_secs(60);
const OTHER: usize = 1;
/// What the owner's thread says when it is done.
const END: &str = "end";

/// The record of an offset, however often the offset was given anew.
fn record(offset: i64) -> Written {
    let mut value = offset.to_be_bytes().to_vec();
    value.resize(100 + usize::try_from(offset % 3).unwrap() * 150, 3);
    (u8::try_from(offset % 5).unwrap(), Some(value.into()))
}

/// The owner whose calls are held.
struct Held<'a> {
    dir: &'a LogDir,
    flusher: &'a Flusher,
    log: Log,
    /// Up to where the flusher has reported records as durable.
    durable: &'a Arc<AtomicI64>,
    doing: &'a Mutex<&'static str>,
    has_journal: bool,
}

impl Held<'_> {
    fn now(&self, doing: &'static str) {
        *self.doing.lock().unwrap() = doing;
    }

    fn append(&mut self, count: usize) {
        self.now("append");
        for _ in 0..count {
            let end = self.log.log_end().0;
            let batches = vec![
                upkeep::batch(&[record(end), record(end + 1)]),
                upkeep::batch(&[record(end + 2)]),
            ];
            self.log.append_as_leader(batches, EPOCH, NOW).unwrap();
        }
    }

    fn sync(&mut self, request: FlushRequest) {
        let (token, up_to_end) = (request.token(), request.up_to_end);
        let (tell, told) = mpsc::channel();
        let durable = Arc::clone(self.durable);
        let on_done = move |result: Result<(), _>| {
            if result.is_ok() {
                durable.fetch_max(up_to_end.0, Ordering::SeqCst);
            }
            tell.send(result).unwrap();
        };
        self.flusher.submit(request, Box::new(on_done));
        told.recv().unwrap().unwrap();
        self.log.flushed(&token);
    }

    fn flush(&mut self) {
        self.now("flush");
        if let Some(request) = self.log.begin_flush() {
            self.sync(request);
        }
    }

    /// A record and its flush, which goes through the journal.
    fn add(&mut self) {
        if !self.has_journal {
            return;
        }
        self.now("add");
        let batches = vec![upkeep::batch(&[record(self.log.log_end().0)])];
        self.log.append_as_leader(batches, EPOCH, NOW).unwrap();
        if let Some(request) = self.log.begin_flush() {
            self.sync(request);
        }
    }

    fn checkpoint(&mut self) {
        self.now("checkpoint");
        if let Some(request) = self.log.begin_checkpoint().unwrap() {
            self.sync(request);
        }
        self.dir.write_recovery_points().unwrap();
        self.dir.sync_flushed_ends().unwrap();
    }

    fn truncate(&mut self) {
        self.now("truncate");
        let to = self.log.flushed_end();
        assert!(to < self.log.log_end());
        assert_eq!(self.log.truncate_to(to).unwrap(), to);
    }

    fn retain(&mut self) {
        self.now("retain");
        let config = LogConfig {
            retention_bytes: Some(self.log.bytes() * 2 / 3),
            ..self.log.config().clone()
        };
        self.log.set_config(config).unwrap();
        let retained = self.log.retain(self.log.flushed_end(), NOW).unwrap();
        let start = retained.unwrap().log_start;
        self.dir.write_log_starts().unwrap();
        let deleted = self.log.delete_segments(start).unwrap().unwrap();
        deleted.sync().unwrap();
        deleted.remove().unwrap();
    }

    fn clean(&mut self) {
        self.now("clean");
        let settings = CompactionSettings {
            dirty_ratio_min: 0.0,
            ..CompactionSettings::default()
        };
        let reader = self.log.reader();
        let plan = reader.plan_cleaning(self.log.flushed_end(), &settings, NOW);
        let (config, producer_ends) = (self.log.config().clone(), self.log.producer_ends());
        let job = CleanJob {
            log: &reader,
            config: &config,
            plan: plan.unwrap(),
            settings: &settings,
            producer_ends: &producer_ends,
            now: NOW,
        };
        let memory = CleanerSettings {
            map_bytes_max: 1 << 16,
            io_bytes: 700,
        };
        let mut owner = Owner(&mut self.log, 0);
        Cleaner::new(memory).clean(&job, &mut owner).unwrap();
        assert!(owner.1 > 0, "nothing was swapped in");
    }

    fn scrub(&mut self) {
        self.now("scrub");
        let reader = self.log.reader();
        let mut place = reader.scrub_place(reader.log_start());
        while let Some(at) = place {
            place = reader.scrub(at, 1500).unwrap().next;
        }
    }

    fn run(mut self) {
        self.append(5);
        self.flush();
        self.add();
        self.add();
        self.append(5);
        self.checkpoint();
        self.add();
        self.append(2);
        self.truncate();
        self.append(6);
        self.flush();
        self.add();
        self.clean();
        self.scrub();
        self.retain();
        self.append(1);
        self.now("close");
        let Self {
            log, dir, doing, ..
        } = self;
        let end = log.close().unwrap();
        *doing.lock().unwrap() = "open";
        assert_eq!(upkeep::open(dir).log_end(), end);
    }
}

/// Everything that readers get, each record as it was written.
fn read_held(reader: &LogReader) {
    let (mut from, end) = (reader.log_start(), reader.log_end());
    while from < end {
        let bytes = reader.read(from, end, 2000).unwrap();
        assert!(!bytes.is_empty(), "nothing at {from}");
        for batch in split(bytes) {
            let batch = batch.unwrap();
            for found in batch.records().unwrap() {
                let found = found.unwrap();
                let (key, value) = record(found.offset.0);
                assert_eq!(found.key.unwrap()[..], [key]);
                assert_eq!(found.value.as_deref(), value.as_deref());
            }
            from = batch.header().next_offset();
        }
    }
}

/// What a flush comes to.
type Told = mpsc::Receiver<Result<(), FlushError>>;

fn append_other(log: &mut Log, bytes: usize) {
    let batches = vec![crate::workload::batch(&[vec![8; bytes].into()])];
    log.append_as_leader(batches, LeaderEpoch(0), Timestamp(1))
        .unwrap();
}

fn submit(log: &mut Log, flusher: &Flusher) -> (FlushToken, Told) {
    let request = log.begin_flush().unwrap();
    let token = request.token();
    let (tell, told) = mpsc::channel();
    // Who does not ask may be gone.
    let on_done = move |result| drop(tell.send(result));
    flusher.submit(request, Box::new(on_done));
    (token, told)
}

/// The owner of the other log: appends, reads, and has it flushed. Gives back a small flush that may have
/// to wait for the call that is held.
fn go_on(log: &mut Log, flusher: &Flusher) -> Told {
    append_other(log, 100);
    let (_, small) = submit(log, flusher);
    (0..4).for_each(|_| append_other(log, 4000));
    assert_eq!(read_all(log).unwrap().len() as i64, log.log_end().0);
    let (token, told) = submit(log, flusher);
    told.recv_timeout(PATIENCE).unwrap().unwrap();
    log.flushed(&token);
    assert_eq!(log.flushed_end(), log.log_end());
    small
}

/// While that log's readers wait for renames.
fn swaps(doing: &str, call: &HeldCall) -> bool {
    let target = call.target.as_ref().map(|path| path.to_str().unwrap());
    doing == "clean" && target.is_some_and(|target| !target.ends_with(".swap"))
}

/// Where the log and the other one end when a power cut leaves what was synced by now.
fn ends_after_a_cut(disk: &SimDisk) -> (i64, i64) {
    let (base, ops) = disk.recorded();
    let mut cut = PowerCut::before_anything(&base);
    ops.iter().for_each(|op| cut.after(op));
    let left = SimDisk::holding(cut.leaves(Survives::Nothing));
    let next = open_dir(&left).unwrap();
    let end = upkeep::open(&next).log_end().0;
    let (other, _) = open_log(&next, OTHER, 0).unwrap();
    (end, other.log_end().0)
}

/// Holds one call; tells which it was.
fn hold(number: usize, has_journal: bool) -> Option<(&'static str, HeldCall)> {
    let disk = SimDisk::empty();
    let dir = if has_journal {
        open_journalled(&disk).unwrap()
    } else {
        open_dir(&disk).unwrap()
    };
    let flusher = Flusher::start(Arc::clone(&dir.context().latch), 4, 100).unwrap();
    let (mut other, _) = open_log(&dir, OTHER, 0).unwrap();
    other.assign_epoch(LeaderEpoch(0), Offset::ZERO).unwrap();
    let mut log = upkeep::open(&dir);
    log.assign_epoch(EPOCH, Offset::ZERO).unwrap();
    let reader = log.reader();
    let (durable, doing) = (Arc::new(AtomicI64::new(0)), Mutex::new("begin"));
    let (entered, events) = mpsc::channel();
    let keeper = disk.hold_at(disk.calls() + number, entered.clone());
    let held = Held {
        dir: &dir,
        flusher: &flusher,
        log,
        durable: &durable,
        doing: &doing,
        has_journal,
    };
    let (reader, other, flusher) = (&reader, &mut other, &flusher);
    std::thread::scope(|scope| {
        let keeper = keeper;
        let owner = scope.spawn(move || {
            held.run();
            // Whoever waits for a call to be held is told that none is left.
            let call = HeldCall {
                name: END,
                target: None,
            };
            entered.send(call).unwrap();
        });
        let call = events.recv_timeout(PATIENCE).unwrap();
        if call.name == END {
            owner.join().unwrap();
            return None;
        }
        let doing = *doing.lock().unwrap();
        let durable_then = durable.load(Ordering::SeqCst);
        let (tell, told) = mpsc::channel();
        // A log that is being opened has no reader yet.
        let has_readers = doing != "open" && !swaps(doing, &call);
        let bystander = scope.spawn(move || {
            if has_readers {
                read_held(reader);
            }
            let small = go_on(other, flusher);
            tell.send((other.flushed_end().0, small)).unwrap();
        });
        let (other_durable, small) = told
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|error| panic!("{doing}, {call:?} holds others up: {error}"));
        bystander.join().unwrap();
        // Something else was flushed in the meantime, and this was not.
        assert_eq!(
            durable.load(Ordering::SeqCst),
            durable_then,
            "{doing}, {call:?}"
        );
        let ends = ends_after_a_cut(&disk);
        let is_kept = ends.0 >= durable_then && ends.1 >= other_durable;
        assert!(is_kept, "{doing}, {call:?}: {ends:?}");
        drop(keeper);
        owner.join().unwrap();
        small.recv_timeout(PATIENCE).unwrap().unwrap();
        Some((doing, call))
    })
}

type Counts = std::collections::BTreeMap<(&'static str, &'static str), usize>;

/// Holds every call in turn; tells how many of each there were.
fn hold_each(has_journal: bool) -> Counts {
    let mut counts = Counts::new();
    for (doing, call) in (1..).map_while(|number| hold(number, has_journal)) {
        *counts.entry((doing, call.name)).or_insert(0) += 1;
    }
    let held: usize = counts.values().sum();
    println!("journal: {has_journal}: {held} calls held in turn: {counts:?}");
    counts
}

#[test]
fn a_call_that_hangs_holds_up_nobody_else_and_promises_nothing() {
    let counts = hold_each(false);
    for expected in [
        ("append", "write_all_at"),
        ("flush", "sync_data"),
        ("flush", "sync_dir"),
        ("checkpoint", "sync_data"),
        ("truncate", "truncate"),
        ("clean", "rename"),
        ("scrub", "read_at"),
        ("retain", "remove_file"),
        ("close", "sync_data"),
        ("open", "read_at"),
    ] {
        assert!(counts.contains_key(&expected), "{expected:?}");
    }
}

#[test]
fn nor_does_one_with_a_journal_in_front_of_the_logs() {
    let counts = hold_each(true);
    for expected in [
        ("add", "write_all_at"),
        ("add", "sync_data"),
        ("truncate", "sync_data"),
        ("clean", "write_all_at"),
        ("open", "read_at"),
    ] {
        assert!(counts.contains_key(&expected), "{expected:?}");
    }
}
