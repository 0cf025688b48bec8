//! What has a place in the journal, and what becomes of that which has none.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use trimaran_commit_log::{
    Aside, Flusher, JournalLimits, Log, LogConfig, LogContext, LogDir, OpenAs, RealDisk,
    parse_partition_dir,
};
use trimaran_types::{BrokerId, ClusterId, DirectoryId, LeaderEpoch, Offset};
use uuid::Uuid;

use crate::journal::{LIMITS, append, context, open};
use crate::rig::{FaultyDisk, Gate, Rig, topic_id};

/// Only how long a broken journal takes to fail the test.
const PATIENCE: Duration = Duration::from_secs(60);

/// Has what a log was appended flushed as a flusher does it.
fn flush(log: &mut Log, flusher: &Flusher) {
    let request = log.begin_flush().unwrap();
    let token = request.token();
    let (sender, done) = mpsc::channel();
    flusher.submit(
        request,
        Box::new(move |result| sender.send(result).unwrap()),
    );
    flusher.run_waiting();
    done.try_recv().unwrap().unwrap();
    log.flushed(&token);
}

/// Whether the flush of a log writes to the journal.
fn goes_through_journal(root: &Path, log: &mut Log, flusher: &Flusher) -> bool {
    let journal =
        || ["flush-journal.0", "flush-journal.1"].map(|it| std::fs::read(root.join(it)).unwrap());
    let before = journal();
    flush(log, flusher);
    journal() != before
}

#[test]
fn a_log_whose_flushes_find_no_place_makes_room_until_there_is_one() {
    let root = tempfile::tempdir().unwrap();
    let context = context(Arc::new(RealDisk), root.path());
    let flusher = Flusher::without_threads(Arc::clone(&context.latch), 10);
    let mut idle = open(&context, root.path(), 0);
    let mut busy = open(&context, root.path(), 1);
    // The first flush is for the names, too, and so for the files.
    for _ in 0..2 {
        for log in [&mut idle, &mut busy] {
            append(log, 100);
            flush(log, &flusher);
        }
    }
    // Both halves of sixteen blocks are full, and nobody syncs the file of the idle log.
    for _ in 0..60 {
        append(&mut busy, 100);
        flush(&mut busy, &flusher);
    }
    let segment = root.path().join("t-1/00000000000000000000.log");
    let bytes = busy.bytes();
    let length = std::fs::metadata(&segment).unwrap().len();
    assert!(length > bytes, "{length} bytes of {bytes}");
    while flusher.run_cleaning() {}
    append(&mut busy, 100);
    assert!(goes_through_journal(root.path(), &mut busy, &flusher));
}

#[test]
fn logs_that_gather_before_they_flush_take_nobody_s_memory() {
    let root = tempfile::tempdir().unwrap();
    let limits = JournalLimits {
        kept_bytes_max: 1_000,
        ..LIMITS
    };
    let context = LogContext::standalone(Arc::new(RealDisk), root.path());
    let context = context.with_journal(root.path(), limits).unwrap();
    let flusher = Flusher::without_threads(Arc::clone(&context.latch), 10);
    let mut gathering = open_with(&context, root.path(), 0, 10);
    let mut prompt = open(&context, root.path(), 1);
    for log in [&mut gathering, &mut prompt] {
        append(log, 10);
        flush(log, &flusher);
    }
    append(&mut gathering, 700);
    append(&mut prompt, 500);
    assert!(goes_through_journal(root.path(), &mut prompt, &flusher));
    assert!(!goes_through_journal(root.path(), &mut gathering, &flusher));
    assert_eq!(gathering.flushed_end(), gathering.log_end());
}

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 1 << 20,
        ..Rig::new().config
    }
}

fn open_with(context: &LogContext, root: &Path, number: usize, flush_messages: u64) -> Log {
    let start = OpenAs {
        topic_id: topic_id(),
        recovery_point: Offset::ZERO,
        log_start: None,
        clean_shutdown: false,
    };
    let config = LogConfig {
        flush_messages,
        ..config()
    };
    let dir = root.join(format!("t-{number}"));
    let (mut log, _) = Log::open(context, &dir, config, start).unwrap();
    log.assign_epoch(LeaderEpoch(0), log.log_end()).unwrap();
    log
}

const LOGS: usize = 40;

/// A directory with logs whose last bytes the journal has.
fn busy_directory(disk: FaultyDisk, root: &Path) -> (LogDir, Vec<Log>) {
    let cluster = ClusterId::from_uuid(Uuid::from_u128(1));
    let directory = DirectoryId::from_uuid(Uuid::from_u128(77));
    let mut dir = LogDir::open(Arc::new(disk), root, cluster, BrokerId(1), directory).unwrap();
    let limits = JournalLimits {
        half_bytes: 1 << 20,
        ..LIMITS
    };
    dir.use_journal(limits).unwrap();
    let flusher = Flusher::without_threads(Arc::clone(&dir.context().latch), LOGS);
    let mut logs = Vec::new();
    for number in 0..LOGS {
        let partition = parse_partition_dir(&format!("t-{number}")).unwrap();
        let start = dir.open_as(&partition, topic_id());
        let path = dir.partition_dir(&partition);
        let (mut log, _) = Log::open(dir.context(), &path, config(), start).unwrap();
        log.assign_epoch(LeaderEpoch(0), Offset::ZERO).unwrap();
        append(&mut log, 100);
        flush(&mut log, &flusher);
        logs.push(log);
    }
    (dir, logs)
}

#[test]
fn logs_that_go_together_are_forgotten_together() {
    let disk = FaultyDisk::default();
    let faults = Arc::clone(&disk.faults);
    let root = tempfile::tempdir().unwrap();
    let (dir, logs) = busy_directory(disk, root.path());
    drop(logs);
    let partitions: Vec<_> = (0..LOGS)
        .map(|number| parse_partition_dir(&format!("t-{number}")).unwrap())
        .collect();
    let before = faults.syncs.load(Ordering::SeqCst);
    dir.set_aside(&partitions, Aside::Delete).unwrap();
    let syncs = faults.syncs.load(Ordering::SeqCst) - before;
    // One for each file that the journal had bytes of, and few for all of them.
    assert!((LOGS..LOGS + 12).contains(&syncs), "{syncs} syncs");
}

#[test]
fn a_clean_stop_syncs_each_file_once() {
    let disk = FaultyDisk::default();
    let faults = Arc::clone(&disk.faults);
    let root = tempfile::tempdir().unwrap();
    let (dir, logs) = busy_directory(disk, root.path());
    let before = faults.syncs.load(Ordering::SeqCst);
    for log in logs {
        log.close().unwrap();
    }
    let closed = faults.syncs.load(Ordering::SeqCst);
    assert!(closed - before >= LOGS);
    let before = closed;
    dir.mark_clean_shutdown(None).unwrap();
    let syncs = faults.syncs.load(Ordering::SeqCst) - before;
    assert!(syncs < 12, "{syncs} syncs");
}

#[test]
fn small_flushes_go_on_while_the_files_of_a_log_that_goes_are_synced() {
    let disk = FaultyDisk::default();
    let faults = Arc::clone(&disk.faults);
    let root = tempfile::tempdir().unwrap();
    let (dir, mut logs) = busy_directory(disk, root.path());
    drop(logs.remove(0));
    let (entered, at_gate) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let release_too = Arc::new(Mutex::new(released));
    *faults.gate.lock().unwrap() = Some(Gate {
        entered,
        release: release_too,
    });
    std::thread::scope(|scope| {
        let going = scope.spawn(|| {
            let partition = parse_partition_dir("t-0").unwrap();
            dir.set_aside(&[partition], Aside::Delete)
        });
        at_gate.recv_timeout(PATIENCE).unwrap();
        let flushing = scope.spawn(|| {
            let flusher = Flusher::without_threads(Arc::clone(&dir.context().latch), 1);
            append(&mut logs[0], 100);
            flush(&mut logs[0], &flusher);
        });
        // In the sync of its group, while the other is in that of its file.
        let second = at_gate.recv_timeout(PATIENCE);
        *faults.gate.lock().unwrap() = None;
        for _ in 0..2 {
            release.send(()).unwrap();
        }
        second.unwrap();
        flushing.join().unwrap();
        going.join().unwrap().unwrap();
    });
}

#[test]
fn a_journal_that_cannot_be_written_over_for_want_of_space_has_no_place() {
    let disk = FaultyDisk::default();
    let faults = Arc::clone(&disk.faults);
    let root = tempfile::tempdir().unwrap();
    let (end, flushed) = {
        let context = context(Arc::new(disk), root.path());
        let flusher = Flusher::without_threads(Arc::clone(&context.latch), 10);
        let mut log = open(&context, root.path(), 0);
        for _ in 0..3 {
            append(&mut log, 100);
            flush(&mut log, &flusher);
        }
        append(&mut log, 100);
        *faults.write.lock().unwrap() = Some((ErrorKind::StorageFull, 50));
        flush(&mut log, &flusher);
        assert!(faults.write.lock().unwrap().is_none());
        assert!(context.latch.failure().is_none());
        for _ in 0..2 {
            append(&mut log, 100);
            flush(&mut log, &flusher);
        }
        (log.log_end(), log.flushed_end())
    };
    assert_eq!(end, flushed);
    let context = context(Arc::new(RealDisk), root.path());
    assert_eq!(open(&context, root.path(), 0).log_end(), end);
}
