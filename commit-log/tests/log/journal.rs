//! The journal beside a running flusher, on a real file system, and as those see it who only look.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use trimaran_commit_log::{
    Checkpointed, Disk, Flusher, JournalFiles, JournalGroup, JournalLimits, Log, LogContext,
    OpenAs, OpenHow, Problem, ReadThroughJournal, RealDisk, Seen, inspect_journal,
    inspect_partition,
};
use trimaran_types::{LeaderEpoch, Offset};

use crate::opens_by::OpensBy;
use crate::rig::{FaultyDisk, Gate, NOW, Rig, batch_of, read_all, topic_id};

/// Only how long a broken flusher takes to fail the test.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sixteen blocks a half.
pub(crate) const LIMITS: JournalLimits = JournalLimits {
    half_bytes: 64 * 1024,
    flush_bytes_end: 16 * 1024,
    chunk_bytes: 64 * 1024,
    kept_bytes_max: 1 << 20,
};

pub(crate) fn context(disk: Arc<dyn Disk>, root: &Path) -> LogContext {
    let context = LogContext::standalone(disk, root);
    context.with_journal(root, LIMITS).unwrap()
}

pub(crate) fn open(context: &LogContext, root: &Path, number: usize) -> Log {
    let start = OpenAs {
        topic_id: topic_id(),
        recovery_point: Offset::ZERO,
        log_start: None,
        clean_shutdown: false,
    };
    let dir = root.join(format!("t-{number}"));
    let config = trimaran_commit_log::LogConfig {
        segment_bytes: 1 << 20,
        ..Rig::new().config
    };
    let (mut log, _) = Log::open(context, &dir, config, start).unwrap();
    let epoch = log.latest_epoch().map_or(0, |epoch| epoch.0 + 1);
    log.assign_epoch(LeaderEpoch(epoch), log.log_end()).unwrap();
    log
}

pub(crate) fn append(log: &mut Log, bytes: usize) {
    let epoch = log.latest_epoch().unwrap();
    let value = vec![9; bytes];
    log.append_as_leader(vec![batch_of(&[&value])], epoch, NOW)
        .unwrap();
}

#[test]
fn what_gathers_during_a_group_shares_the_next() {
    let disk = FaultyDisk::default();
    let faults = Arc::clone(&disk.faults);
    let root = tempfile::tempdir().unwrap();
    let context = context(Arc::new(disk), root.path());
    let mut logs: Vec<Log> = (0..5).map(|n| open(&context, root.path(), n)).collect();
    let flusher = Flusher::start(Arc::clone(&context.latch), 4, 10).unwrap();
    let before = faults.syncs.load(Ordering::SeqCst);
    let (entered, at_gate) = mpsc::channel();
    let (release, released) = mpsc::channel();
    *faults.gate.lock().unwrap() = Some(Gate {
        entered,
        release: Arc::new(Mutex::new(released)),
    });
    let (sender, results) = mpsc::channel();
    for (number, log) in logs.iter_mut().enumerate() {
        append(log, 100);
        let request = log.begin_flush().unwrap();
        let token = request.token();
        let sender = sender.clone();
        flusher.submit(
            request,
            Box::new(move |result| sender.send((number, token, result)).unwrap()),
        );
        if number == 0 {
            at_gate.recv_timeout(PATIENCE).unwrap();
        }
    }
    release.send(()).unwrap();
    at_gate.recv_timeout(PATIENCE).unwrap();
    release.send(()).unwrap();
    for _ in 0..5 {
        let (number, token, result) = results.recv_timeout(PATIENCE).unwrap();
        assert_eq!(result, Ok(()));
        logs[number].flushed(&token);
        assert_eq!(logs[number].flushed_end(), Offset(1));
    }
    assert_eq!(faults.syncs.load(Ordering::SeqCst) - before, 2);
}

#[test]
fn many_logs_wrap_the_journal_with_many_threads_and_lose_nothing() {
    let root = tempfile::tempdir().unwrap();
    let mut ends = vec![Offset::ZERO; 6];
    for start in 0..3 {
        let context = context(Arc::new(RealDisk), root.path());
        let mut logs: Vec<Log> = (0..6).map(|n| open(&context, root.path(), n)).collect();
        for (log, end) in logs.iter().zip(&ends) {
            assert_eq!(log.log_end(), *end, "start {start}");
        }
        let flusher = Flusher::start(Arc::clone(&context.latch), 4, 100).unwrap();
        let (sender, results) = mpsc::channel();
        for round in 0..60 {
            for (number, log) in logs.iter_mut().enumerate() {
                append(log, 50 + 37 * round * (number + 1) % 5000);
                let request = log.begin_flush().unwrap();
                let (token, sender) = (request.token(), sender.clone());
                let on_done = move |result| sender.send((number, token, result)).unwrap();
                flusher.submit(request, Box::new(on_done));
            }
            for _ in 0..6 {
                let (number, token, result) = results.recv_timeout(PATIENCE).unwrap();
                assert_eq!(result, Ok(()));
                logs[number].flushed(&token);
            }
        }
        ends = logs.iter().map(Log::flushed_end).collect();
        for log in &logs {
            assert_eq!(log.flushed_end(), log.log_end());
            read_all(&log.reader(), 10_000);
        }
    }
    assert_eq!(ends, [Offset(180); 6]);
}

#[test]
fn the_first_failed_group_ends_the_directory() {
    let disk = FaultyDisk::default();
    let faults = Arc::clone(&disk.faults);
    let root = tempfile::tempdir().unwrap();
    let context = context(Arc::new(disk), root.path());
    let mut log = open(&context, root.path(), 0);
    let flusher = Flusher::start(Arc::clone(&context.latch), 2, 10).unwrap();
    faults.sync.store(true, Ordering::SeqCst);
    let (sender, results) = mpsc::channel();
    for _ in 0..2 {
        append_or_not(&mut log);
        let Some(request) = log.begin_flush() else {
            break;
        };
        let sender = sender.clone();
        let on_done = move |result: Result<(), _>| sender.send(result.is_ok()).unwrap();
        flusher.submit(request, Box::new(on_done));
        assert!(!results.recv_timeout(PATIENCE).unwrap());
        faults.sync.store(false, Ordering::SeqCst);
    }
    assert!(context.latch.failure().is_some());
}

fn append_or_not(log: &mut Log) {
    let epoch = log.latest_epoch().unwrap();
    let _ = log.append_as_leader(vec![batch_of(&[b"x"])], epoch, NOW);
}

#[test]
fn who_looks_sees_what_the_next_start_puts_in_place() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("t-0");
    {
        let context = context(Arc::new(RealDisk), root.path());
        let mut log = open(&context, root.path(), 0);
        let flusher = Flusher::without_threads(Arc::clone(&context.latch), 10);
        for _ in 0..4 {
            append(&mut log, 300);
            let request = log.begin_flush().unwrap();
            let token = request.token();
            flusher.submit(request, Box::new(|done| done.unwrap()));
            flusher.run_waiting();
            log.flushed(&token);
        }
    }
    // What a power cut may leave of bytes that were never synced: a hole, and no end.
    let segment = dir.join("00000000000000000000.log");
    let file = RealDisk.open(&segment, OpenHow::Existing).unwrap();
    let bytes = file.bytes().unwrap();
    file.write_all_at(bytes / 4, &[0; 200]).unwrap();
    file.truncate(bytes / 2 + 10).unwrap();
    let through = ReadThroughJournal::over(Arc::new(RealDisk), root.path()).unwrap();
    assert!(!through.is_damaged(&dir));
    assert_eq!(through.bytes_of(&dir), bytes / 4 * 3);
    let known = Checkpointed {
        flushed_end: Some(Offset(4)),
        journalled_bytes: bytes / 4 * 3,
        ..Checkpointed::default()
    };
    let mut findings = Vec::new();
    let mut on_seen = |seen: &Seen<'_>| {
        if let Seen::Finding(finding) = seen {
            findings.push(finding.problem.clone());
        }
        ControlFlow::Continue(())
    };
    let summary = inspect_partition(&through.disk(), &dir, &known, &mut on_seen).unwrap();
    assert_eq!((summary.records, summary.end), (4, Some(Offset(4))));
    assert_eq!(summary.bytes, bytes);
    let expected = Problem::Journalled {
        bytes: bytes / 4 * 3,
    };
    assert!(findings.contains(&expected), "{findings:?}");
    assert_eq!(file.bytes().unwrap(), bytes / 2 + 10, "only looked at");
    drop(context(Arc::new(RealDisk), root.path()));
    assert_eq!(file.bytes().unwrap(), bytes);
    let through = ReadThroughJournal::over(Arc::new(RealDisk), root.path()).unwrap();
    assert_eq!(through.bytes_of(&dir), 0);
}

/// A broker that runs goes over from one half to the other between the looks at them.
#[test]
fn who_looks_beside_a_broker_takes_no_half_that_is_begun_for_damage() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("t-0");
    let context = context(Arc::new(RealDisk), root.path());
    let mut log = open(&context, root.path(), 0);
    let flusher = Flusher::without_threads(Arc::clone(&context.latch), 10);
    let mut flush = move || {
        append(&mut log, 300);
        let request = log.begin_flush().unwrap();
        let token = request.token();
        flusher.submit(request, Box::new(|done| done.unwrap()));
        flusher.run_waiting();
        log.flushed(&token);
    };
    (0..10).for_each(|_| flush());
    let first = |half: &str| {
        let mut bytes = Vec::new();
        let file = RealDisk.open(&root.path().join(half), OpenHow::Existing);
        file.unwrap().read_at(0, 8, &mut bytes).unwrap();
        bytes
    };
    assert_ne!(first("flush-journal.1"), b"TRIMJNL1");
    // When the second half is opened for the first time.
    let flush = Mutex::new(Some(flush));
    let disk = OpensBy(move |path: &Path, how| {
        if path.ends_with("flush-journal.1")
            && let Some(mut flush) = flush.lock().unwrap().take()
        {
            (0..8).for_each(|_| flush());
        }
        RealDisk.open(path, how)
    });
    let through = ReadThroughJournal::over(Arc::new(disk), root.path()).unwrap();
    assert_eq!(first("flush-journal.1"), b"TRIMJNL1", "begun in between");
    assert!(!through.is_damaged(&dir));
}

/// The same between the look at all groups and the one at each.
#[test]
fn groups_that_a_broker_writes_over_are_not_shown() {
    let root = tempfile::tempdir().unwrap();
    let context = context(Arc::new(RealDisk), root.path());
    let mut log = open(&context, root.path(), 0);
    let flusher = Flusher::without_threads(Arc::clone(&context.latch), 10);
    let mut flush = move || {
        append(&mut log, 300);
        let request = log.begin_flush().unwrap();
        let token = request.token();
        flusher.submit(request, Box::new(|done| done.unwrap()));
        flusher.run_waiting();
        log.flushed(&token);
    };
    (0..10).for_each(|_| flush());
    let mut shown = Vec::new();
    let mut on_group = |group: &JournalGroup| {
        if shown.is_empty() {
            (0..60).for_each(|_| flush());
        }
        shown.push(group.number);
        ControlFlow::Continue(())
    };
    let files = JournalFiles::in_dir(root.path());
    let summary = inspect_journal(&RealDisk, &files, &mut on_group).unwrap();
    let groups = summary.unwrap().groups;
    assert!(!shown.is_empty() && shown.len() < groups, "{shown:?}");
}
