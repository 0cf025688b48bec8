//! A process that is killed while it appends loses nothing that it called durable.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};

use trimaran_commit_log::{Flusher, Log, LogDir, RealDisk, parse_partition_dir};
use trimaran_types::{BrokerId, ClusterId, DirectoryId, LeaderEpoch, Offset};
use uuid::Uuid;

use crate::rig::{NOW, Rig, batch_of, read_all, topic_id};

const CHILD_DIR: &str = "TRIMARAN_CRASH_TEST_DIR";

fn open(root: &std::path::Path) -> (LogDir, Log) {
    let cluster = ClusterId::from_uuid(Uuid::from_u128(1));
    let directory = DirectoryId::from_uuid(Uuid::from_u128(2));
    let dir = LogDir::open(Arc::new(RealDisk), root, cluster, BrokerId(1), directory).unwrap();
    let partition = parse_partition_dir("t-0").unwrap();
    let start = dir.open_as(&partition, topic_id());
    let config = Rig::new().config;
    let (log, report) =
        Log::open(dir.context(), &dir.partition_dir(&partition), config, start).unwrap();
    // A killed process leaves no torn batch behind: the system finishes or refuses a write.
    assert!(report.cut.is_none_or(|cut| cut.bytes > 0));
    (dir, log)
}

fn value(offset: i64) -> Vec<u8> {
    let mut value = offset.to_be_bytes().to_vec();
    value.resize(8 + usize::try_from(offset % 300).unwrap(), 3);
    value
}

/// The child: appends, flushes, and says what is durable, until it is killed.
#[test]
fn child() {
    let Some(root) = std::env::var_os(CHILD_DIR) else {
        return;
    };
    let (dir, mut log) = open(root.as_ref());
    let flusher = Flusher::start(Arc::clone(&dir.context().latch), 2, 100).unwrap();
    let epoch = LeaderEpoch(log.latest_epoch().map_or(0, |epoch| epoch.0 + 1));
    log.assign_epoch(epoch, log.log_end()).unwrap();
    let mut out = std::io::stdout();
    for round in 0_u64.. {
        let end = log.log_end().0;
        let batches = (end..end + 3)
            .map(|offset| batch_of(&[&value(offset)]))
            .collect();
        log.append_as_leader(batches, epoch, NOW).unwrap();
        let request = match round % 5 {
            4 => log.begin_checkpoint().unwrap(),
            _ => log.begin_flush(),
        };
        let request = request.unwrap();
        let token = request.token();
        let (sender, done) = mpsc::channel();
        flusher.submit(
            request,
            Box::new(move |result| sender.send(result).unwrap()),
        );
        done.recv().unwrap().unwrap();
        log.flushed(&token);
        if round % 5 == 4 {
            dir.write_recovery_points().unwrap();
        }
        writeln!(out, "durable {}", log.flushed_end()).unwrap();
    }
}

#[test]
fn kill_9_loses_nothing_durable() {
    let root = tempfile::tempdir().unwrap();
    let mut durable = 0;
    for round in 0..6 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child", "--nocapture"])
            .env(CHILD_DIR, root.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for (heard, line) in lines
            .filter(|l| l.as_ref().is_ok_and(|l| l.starts_with("durable ")))
            .enumerate()
        {
            durable = line.unwrap()["durable ".len()..].parse().unwrap();
            if heard == 3 + round * 7 {
                child.kill().unwrap();
                break;
            }
        }
        child.wait().unwrap();
        let (dir, log) = open(root.path());
        assert!(log.log_end() >= Offset(durable), "round {round}");
        let records = read_all(&log.reader(), 2000);
        assert_eq!(records.len(), usize::try_from(log.log_end().0).unwrap());
        for (expected, (offset, _, found)) in (0..).zip(records) {
            assert_eq!((offset, found), (expected, value(expected)));
        }
        drop((log, dir));
    }
    assert!(durable > 50);
}
