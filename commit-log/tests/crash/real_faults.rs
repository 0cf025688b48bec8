//! The real thing: a child process whose system calls fail, and disks that are full.
//!
//! Where the system lacks the tools, or forbids them, these tests say that they are skipped. With
//! `TRIMARAN_REQUIRE_FAULTS=1` that is a failure.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};

use trimaran_commit_log::{
    AppendError, Aside, FlushRequest, Flusher, JournalLimits, Log, LogConfig, LogDir, RealDisk,
    parse_partition_dir,
};
use trimaran_types::{BrokerId, ClusterId, DirectoryId, LeaderEpoch, Offset};
use uuid::Uuid;

use crate::promises::{ROOM, read_all, topic_id};

pub(crate) const CHILD_DIR: &str = "TRIMARAN_FAULT_TEST_DIR";
/// Has the child use a journal.
pub(crate) const CHILD_JOURNAL: &str = "TRIMARAN_FAULT_TEST_JOURNAL";
const ROUNDS: usize = 8;

/// Three flushes fill a half.
const JOURNAL: JournalLimits = JournalLimits {
    half_bytes: 11 * 4096,
    flush_bytes_end: 20_000,
    chunk_bytes: 4 * 4096,
    kept_bytes_max: 100_000,
};

/// Told or failed, as the environment wants it.
fn skip(reason: &str) {
    let is_required = std::env::var_os("TRIMARAN_REQUIRE_FAULTS").is_some_and(|it| it == "1");
    assert!(!is_required, "TRIMARAN_REQUIRE_FAULTS=1, but {reason}");
    println!("skipped: {reason}");
}

fn open(root: &Path) -> Result<(LogDir, Log), String> {
    let mut dir = LogDir::open(
        Arc::new(RealDisk),
        root,
        ClusterId::from_uuid(Uuid::from_u128(1)),
        BrokerId(1),
        DirectoryId::from_uuid(Uuid::from_u128(2)),
    )
    .map_err(|error| error.to_string())?;
    dir.limit_room(ROOM);
    if std::env::var_os(CHILD_JOURNAL).is_some() {
        dir.use_journal(JOURNAL)
            .map_err(|error| error.to_string())?;
    }
    let log = open_log(&dir, "t-0", 1 << 20)?;
    Ok((dir, log))
}

fn open_log(dir: &LogDir, name: &str, segment_bytes: u64) -> Result<Log, String> {
    let partition = parse_partition_dir(name).unwrap();
    let start = dir.open_as(&partition, topic_id(0));
    let config = LogConfig {
        segment_bytes,
        tail_bytes_max: 0,
        ..crate::promises::config()
    };
    let path = dir.partition_dir(&partition);
    let opened = Log::open(dir.context(), &path, config, start);
    opened
        .map(|opened| opened.0)
        .map_err(|error| error.to_string())
}

fn value(offset: i64) -> Arc<[u8]> {
    let mut value = offset.to_be_bytes().to_vec();
    value.resize(3000, 5);
    value.into()
}

/// Has a flush done and says what is durable then.
fn flush(log: &mut Log, flusher: &Flusher, request: FlushRequest) {
    let token = request.token();
    let (tell, told) = mpsc::channel();
    flusher.submit(request, Box::new(move |result| tell.send(result).unwrap()));
    flusher.run_waiting();
    flusher.run_cleaning();
    match told.recv().unwrap() {
        Ok(()) => {
            log.flushed(&token);
            println!("durable {}", log.flushed_end());
        }
        Err(error) => println!("failed {error}"),
    }
}

/// Appends and flushes, and says what is durable; goes on after a refusal. Then nothing is written
/// for some minutes.
fn work(dir: &LogDir, log: &mut Log, rounds: usize) {
    // On this thread, so that nothing is under way elsewhere when a call fails.
    let flusher = Flusher::without_threads(Arc::clone(&dir.context().latch), 10);
    if log.latest_epoch().is_none() {
        log.assign_epoch(LeaderEpoch(0), Offset::ZERO).unwrap();
    }
    for round in 0..rounds {
        let end = log.log_end().0;
        let batches = (end..end + 3)
            .map(|offset| crate::workload::batch(&[value(offset)]))
            .collect();
        let epoch = log.latest_epoch().unwrap();
        match log.append_as_leader(batches, epoch, trimaran_types::Timestamp(1)) {
            Ok(_) => {}
            Err(AppendError::NoRoom { .. }) => println!("refused {}", log.log_end()),
            Err(error) => println!("failed {error}"),
        }
        let request = if round % 4 == 3 {
            match log.begin_checkpoint() {
                Ok(request) => request,
                Err(error) => {
                    println!("failed {error}");
                    continue;
                }
            }
        } else {
            log.begin_flush()
        };
        if let Some(request) = request {
            flush(log, &flusher, request);
        }
        for result in [dir.write_recovery_points(), dir.sync_flushed_ends()] {
            if let Err(error) = result {
                println!("failed {error}");
            }
        }
    }
    for _ in 0..3 {
        match log.begin_checkpoint() {
            Ok(Some(request)) => flush(log, &flusher, request),
            Ok(None) => log.close_idle_file(),
            Err(error) => println!("failed {error}"),
        }
    }
    let records = read_all(log).unwrap();
    assert_eq!(records.len() as i64, log.log_end().0);
}

/// What gives files other names and removes them: another log loses its oldest segments, then all
/// of it is deleted.
fn delete(dir: &LogDir) -> Result<(), Box<dyn std::error::Error>> {
    let partition = parse_partition_dir("t-1").unwrap();
    let mut log = open_log(dir, "t-1", 7000)?;
    log.assign_epoch(LeaderEpoch(0), Offset::ZERO)?;
    for offset in 0..7 {
        let batches = vec![crate::workload::batch(&[value(offset)])];
        log.append_as_leader(batches, LeaderEpoch(0), trimaran_types::Timestamp(1))?;
    }
    // An index that cannot be written is dropped, and the append is taken.
    let names = std::fs::read_dir(dir.partition_dir(&partition))?;
    let names: Vec<_> = names.map(|entry| entry.unwrap().path()).collect();
    let count = |kind: &str| {
        names
            .iter()
            .filter(|it| it.extension() == Some(kind.as_ref()))
            .count()
    };
    if count("index") + 1 < count("log") || count("timeindex") + 1 < count("log") {
        println!("failed to write an index");
    }
    let flusher = Flusher::without_threads(Arc::clone(&dir.context().latch), 10);
    if let Some(request) = log.begin_flush() {
        let token = request.token();
        let (tell, told) = mpsc::channel();
        flusher.submit(request, Box::new(move |result| tell.send(result).unwrap()));
        flusher.run_waiting();
        told.recv()??;
        log.flushed(&token);
    }
    log.raise_log_start(Offset(6));
    dir.write_log_starts()?;
    let deleted = log.delete_segments(Offset(6))?.ok_or("nothing to delete")?;
    deleted.sync()?;
    deleted.remove()?;
    log.discard();
    dir.set_aside(&[partition], Aside::Delete)?;
    dir.remove_deleted()?;
    Ok(())
}

/// What the children run.
#[test]
fn child() {
    let Some(root) = std::env::var_os(CHILD_DIR) else {
        return;
    };
    match open(Path::new(&root)) {
        Ok((dir, mut log)) => {
            work(&dir, &mut log, ROUNDS);
            if let Err(error) = delete(&dir) {
                println!("failed {error}");
            }
            let (failed, end) = (dir.context().latch.failure().is_some(), log.log_end());
            drop((dir, log));
            // On a disk of its own nobody else can look afterwards.
            match if failed {
                None
            } else {
                Some(open(Path::new(&root)))
            } {
                Some(Ok((_, log))) => {
                    assert_eq!(log.log_end(), end);
                    check_values(&log);
                }
                Some(Err(error)) => println!("failed {error}"),
                None => {}
            }
        }
        Err(error) => println!("failed {error}"),
    }
    println!("child done");
}

fn check_values(log: &Log) {
    for (expected, (offset, _, found)) in (0..).zip(read_all(log).unwrap()) {
        assert_eq!((offset, found), (expected, value(expected)));
    }
}

fn run_child(command: &mut Command, root: &Path) -> String {
    run_test(command, "real_faults::child", root)
}

/// Runs one of these tests as a child that is told to play with `root`, and tells what it said.
pub(crate) fn run_test(command: &mut Command, test: &str, root: &Path) -> String {
    let output = command
        .args(["--exact", test, "--nocapture"])
        .env(CHILD_DIR, root)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("child done"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

/// The highest end that the child called durable. None may come after a failure.
fn durable(said: &str) -> i64 {
    let mut durable = 0;
    let mut has_failed = false;
    for line in said.lines() {
        if let Some(end) = line.strip_prefix("durable ") {
            assert!(!has_failed, "durable after a failure:\n{said}");
            durable = end.parse().unwrap();
        }
        has_failed |= line.starts_with("failed ") && line.contains("out of service");
    }
    durable
}

/// Whether strace can attach to a process here, or why it cannot.
fn strace_works() -> Result<(), String> {
    let tried = Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .output();
    match tried {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Not every system has all of them, which the mark says.
const CHANGES: &str = "pwrite64,fdatasync,fsync,ftruncate,\
    ?rename,?renameat,?renameat2,?unlink,?unlinkat,?rmdir";

/// Fails the n-th of these calls of the child for every n, until there is no n-th one; in a child with a
/// journal, too.
fn sweep(calls: &[&str], errno: &str, calls_min: usize) {
    for has_journal in [false, true] {
        // A log whose flushes go through the journal makes no room, and cuts none.
        let calls_min = if has_journal {
            calls_min / 2
        } else {
            calls_min
        };
        sweep_all(calls, errno, calls_min, has_journal);
    }
}

fn sweep_all(calls: &[&str], errno: &str, calls_min: usize, has_journal: bool) {
    if let Err(reason) = strace_works() {
        return skip(&format!("strace cannot attach: {reason}"));
    }
    let one = |call: &&str| sweep_one(call, errno, has_journal);
    let injected: usize = calls.iter().map(one).sum();
    println!("{calls:?} = {errno}, journal: {has_journal}: {injected} calls failed in turn");
    assert!(injected >= calls_min, "{calls:?}");
}

fn sweep_one(call: &str, errno: &str, has_journal: bool) -> usize {
    let mut injected = 0;
    for number in 1.. {
        let root = tempfile::tempdir().unwrap();
        let trace = root.path().join("trace");
        let data = root.path().join("data");
        let mut command = Command::new("strace");
        if has_journal {
            command.env(CHILD_JOURNAL, "1");
        }
        command
            .args(["-f", "-qq", "-e", &format!("trace={CHANGES}")])
            .args(["-e", &format!("inject=?{call}:error={errno}:when={number}")])
            .arg("-o")
            .arg(&trace)
            .arg(std::env::current_exe().unwrap());
        let said = run_child(&mut command, &data);
        let traced = std::fs::read_to_string(&trace).unwrap();
        let Some((_, after)) = traced.split_once("(INJECTED)") else {
            break;
        };
        injected += 1;
        if said.contains("out of service") {
            let later: Vec<_> = after.lines().skip(1).collect();
            let is_change = |line: &&&str| line.contains('(') && !line.contains("+++");
            assert_eq!(
                later.iter().find(is_change),
                None,
                "{call} {number}:\n{said}"
            );
        } else {
            assert!(
                errno == "ENOSPC" || said.starts_with("failed ") || said.contains("\nfailed "),
                "{call} {number} went unseen:\n{said}"
            );
        }
        let durable = durable(&said);
        let (_, log) = open(&data).unwrap_or_else(|error| panic!("{call} {number}: {error}"));
        assert!(log.log_end() >= Offset(durable), "{call} {number}:\n{said}");
        check_values(&log);
    }
    injected
}

#[test]
fn the_system_fails_any_fdatasync() {
    sweep(&["fdatasync"], "EIO", 6);
}

#[test]
fn the_system_fails_any_sync_of_a_directory() {
    sweep(&["fsync"], "EIO", 6);
}

#[test]
fn the_system_fails_any_write() {
    sweep(&["pwrite64"], "EIO", 6);
    sweep(&["pwrite64"], "ENOSPC", 6);
}

#[test]
fn the_system_fails_any_cut_of_a_file() {
    sweep(&["ftruncate"], "EIO", 2);
    sweep(&["ftruncate"], "ENOSPC", 2);
}

#[test]
fn the_system_fails_any_rename() {
    let calls = ["rename", "renameat", "renameat2"];
    sweep(&calls, "EIO", 12);
    sweep(&calls, "ENOSPC", 12);
}

#[test]
fn the_system_fails_any_removal_of_a_name() {
    sweep(&["unlink", "unlinkat"], "EIO", 6);
}

/// A command that runs this program on a file system of its own of `size`, which it finds at `root`;
/// `None` where that cannot be had.
pub(crate) fn on_file_system_of(size: &str, root: &Path) -> Option<Command> {
    let mount = format!(r#"mount -t tmpfs -o size={size} none "${CHILD_DIR}""#);
    let isolated = || {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
        command.env(CHILD_DIR, root);
        command
    };
    match isolated().arg(&mount).output() {
        Ok(output) if output.status.success() => {
            let mut command = isolated();
            command.arg(format!(r#"{mount} && exec "$@""#)).arg("sh");
            command.arg(std::env::current_exe().unwrap());
            Some(command)
        }
        Ok(output) => {
            let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            skip(&format!("no file system of one's own here: {reason}"));
            None
        }
        Err(error) => {
            skip(&format!("no unshare here: {error}"));
            None
        }
    }
}

#[test]
fn a_full_file_system_refuses_appends_and_keeps_the_rest() {
    for has_journal in [false, true] {
        fill_a_file_system(has_journal);
    }
}

fn fill_a_file_system(has_journal: bool) {
    let root = tempfile::tempdir().unwrap();
    let Some(mut command) = on_file_system_of("96k", root.path()) else {
        return;
    };
    if has_journal {
        command.env(CHILD_JOURNAL, "1");
    }
    let said = run_child(&mut command, root.path());
    assert!(said.contains("\nrefused "), "{said}");
    assert!(durable(&said) > 0, "{said}");
    assert!(!said.contains("out of service"), "{said}");
}

#[test]
fn a_file_at_its_size_limit_refuses_appends_and_keeps_the_rest() {
    for has_journal in [false, true] {
        grow_to_the_size_limit(has_journal);
    }
}

fn grow_to_the_size_limit(has_journal: bool) {
    let root = tempfile::tempdir().unwrap();
    let script = r#"trap "" XFSZ; ulimit -f 40; exec "$@""#;
    let mut command = Command::new("bash");
    if has_journal {
        command.env(CHILD_JOURNAL, "1");
    }
    command.args(["-c", script, "bash"]);
    command.arg(std::env::current_exe().unwrap());
    let said = run_child(&mut command, root.path());
    assert!(said.contains("\nrefused "), "{said}");
    assert!(!said.contains("out of service"), "{said}");
    let (_, log) = open(root.path()).unwrap();
    assert!(log.log_end() >= Offset(durable(&said).max(3)), "{said}");
    check_values(&log);
}
