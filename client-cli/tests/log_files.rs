//! `trimaran log` on a broker's directory with a flush journal: what people and programs are told, and
//! the exit codes.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by its panic"
)]

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use serde_json::Value;
use trimaran_commit_log::{
    Flusher, JournalLimits, Log, LogConfig, LogDir, RealDisk, parse_partition_dir,
};
use trimaran_types::record_batch::{BatchBuilder, TimestampType};
use trimaran_types::{BrokerId, LeaderEpoch, Offset, Timestamp, TopicId};

const ID: &str = "rYY3nnFSTqSSPHTTP0qT-g";
const BLOCK_BYTES: u64 = 4096;

/// A data directory, `broker-1` in a folder of its own.
struct Data {
    root: tempfile::TempDir,
    /// Bytes of one batch.
    batch_bytes: u64,
}

impl Data {
    /// Two logs of three batches, each flushed through the journal, one group a flush: t-0, t-1, t-0, and
    /// so on. Then t-1 loses its last batch. Its owner closes it all, or dies.
    fn new(closes: bool) -> Self {
        let root = tempfile::tempdir().unwrap();
        let mut dir = LogDir::open(
            Arc::new(RealDisk),
            &root.path().join("broker-1"),
            ID.parse().unwrap(),
            BrokerId(1),
            ID.parse().unwrap(),
        )
        .unwrap();
        dir.use_journal(JournalLimits::of_bytes(1 << 20).unwrap())
            .unwrap();
        let flusher = Flusher::without_threads(Arc::clone(&dir.context().latch), 10);
        let mut logs: Vec<Log> = (0..2).map(|number| open(&dir, number)).collect();
        let mut batch_bytes = 0;
        for _ in 0..3 {
            for log in &mut logs {
                let mut builder = BatchBuilder::new(TimestampType::CreateTime);
                let at = Timestamp(1_700_000_000_000);
                builder.push(at, None, Some(&[7; 300]), &[]).unwrap();
                let batch = builder.build().unwrap();
                batch_bytes = batch.bytes().len() as u64;
                log.append_as_leader(vec![batch], LeaderEpoch(0), at)
                    .unwrap();
                let request = log.begin_flush().unwrap();
                let token = request.token();
                flusher.submit(request, Box::new(|done| done.unwrap()));
                flusher.run_waiting();
                log.flushed(&token);
            }
        }
        logs[1].truncate_to(Offset(2)).unwrap();
        if closes {
            for log in logs {
                log.close().unwrap();
            }
            dir.mark_clean_shutdown(None).unwrap();
        }
        Self { root, batch_bytes }
    }

    fn path(&self) -> PathBuf {
        self.root.path().join("broker-1")
    }

    fn logs(&self) -> PathBuf {
        self.path().join("logs")
    }

    fn segment(&self, number: usize) -> fs::File {
        let path = self.logs().join(format!("t-{number}"));
        let path = path.join("00000000000000000000.log");
        fs::OpenOptions::new().write(true).open(path).unwrap()
    }

    /// What a power cut leaves where only the journal was synced.
    fn lose_last_batch_of(&self, number: usize, batches: u64) {
        let file = self.segment(number);
        file.set_len((batches - 1) * self.batch_bytes).unwrap();
    }
}

fn open(dir: &LogDir, number: u32) -> Log {
    let partition = parse_partition_dir(&format!("t-{number}")).unwrap();
    let topic_id: TopicId = ID.parse().unwrap();
    let start = dir.open_as(&partition, topic_id);
    let path = dir.partition_dir(&partition);
    let (mut log, _) = Log::open(dir.context(), &path, LogConfig::default(), start).unwrap();
    log.assign_epoch(LeaderEpoch(0), Offset::ZERO).unwrap();
    log
}

fn trimaran(words: &[&str], path: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trimaran"));
    command.args(words).arg(path).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Exit code, and what programs are told.
fn verify(path: &Path) -> (Option<i32>, Value) {
    let output = trimaran(&["log", "verify", "-o", "json"], path);
    let value = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code(), value)
}

fn worst(verified: &Value) -> Vec<(&str, &str)> {
    let partitions = verified["partitions"].as_array().unwrap().iter();
    partitions
        .map(|partition| {
            let dir = Path::new(partition["directory"].as_str().unwrap());
            let name = dir.file_name().unwrap().to_str().unwrap();
            (name, partition["worst"].as_str().unwrap_or("good"))
        })
        .collect()
}

#[test]
fn logs_are_judged_as_if_their_bytes_in_the_journal_were_in_place() {
    let data = Data::new(false);
    data.lose_last_batch_of(0, 3);
    let output = trimaran(&["log", "verify"], &data.path());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let shown = text(&output);
    let row = shown.lines().find(|line| line.contains("t-0")).unwrap();
    for word in ["t-0", "3", "note"] {
        assert!(row.split_whitespace().any(|it| it == word), "{row}");
    }
    let note = format!(
        "{} bytes are in the flush journal, the next start puts them in place",
        data.batch_bytes
    );
    assert!(shown.contains(&note), "{shown}");
    assert!(
        shown.contains("flush journal: 8 groups up to number 8"),
        "{shown}"
    );
    let (code, verified) = verify(&data.path());
    assert_eq!(code, Some(0));
    assert_eq!(worst(&verified), [("t-0", "note"), ("t-1", "good")]);
    let partitions = &verified["partitions"];
    // What was cut off is not put back.
    for (number, end) in [(0, 3), (1, 2)] {
        assert_eq!(partitions[number]["end_offset"], end);
        assert_eq!(partitions[number]["set_aside"], false);
    }
    let journal = &verified["journal"];
    assert_eq!(journal["newest"], 8);
    assert_eq!(journal["unsound"], Value::Null);
    // One partition by itself is told the same.
    let (code, verified) = verify(&data.logs().join("t-0"));
    assert_eq!(code, Some(0));
    assert_eq!(worst(&verified), [("t-0", "note")]);
}

#[test]
fn a_torn_last_group_is_none_and_a_missing_one_takes_every_log() {
    for (group, is_lost) in [(7, false), (3, true)] {
        let data = Data::new(false);
        let path = data.logs().join("flush-journal.0");
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        file.write_all_at(b"x", group * BLOCK_BYTES + 70).unwrap();
        let (code, verified) = verify(&data.path());
        let journal = &verified["journal"];
        assert_eq!(journal["not_whole"][0]["position"], group * BLOCK_BYTES);
        if !is_lost {
            assert_eq!(code, Some(0), "{verified}");
            // The one before it makes the last batch of t-1 void as well.
            assert_eq!(worst(&verified), [("t-0", "good"), ("t-1", "good")]);
            assert_eq!(verified["partitions"][1]["end_offset"], 2);
            continue;
        }
        assert_eq!(code, Some(1));
        assert_eq!(worst(&verified), [("t-0", "damage"), ("t-1", "damage")]);
        let cause = "group 4 is damaged or gone, although group 8 was written after it";
        assert_eq!(journal["unsound"], cause);
        let output = trimaran(&["log", "verify"], &data.path());
        assert_eq!(output.status.code(), Some(1));
        let shown = text(&output);
        assert!(shown.contains(cause) && shown.contains("DAMAGE"), "{shown}");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.contains("2 of 2 partitions are damaged"), "{errors}");
    }
}

#[test]
fn the_mark_of_a_clean_stop_is_believed() {
    let data = Data::new(true);
    let (code, verified) = verify(&data.path());
    assert_eq!(code, Some(0));
    assert_eq!(worst(&verified), [("t-0", "good"), ("t-1", "good")]);
    assert_eq!(verified["journal"]["was_clean"], true);
    assert_eq!(verified["journal"]["groups_counting"], 0);
    // Room would be cut after a crash; now it is damage.
    data.segment(0).set_len(9000).unwrap();
    let (code, verified) = verify(&data.path());
    assert_eq!(code, Some(1));
    assert_eq!(worst(&verified), [("t-0", "damage"), ("t-1", "good")]);
    fs::remove_file(data.logs().join(".kafka_cleanshutdown")).unwrap();
    let (code, verified) = verify(&data.path());
    assert_eq!((code, worst(&verified)[0]), (Some(0), ("t-0", "note")));
}

#[test]
fn folders_that_were_set_aside_are_listed_and_no_failure() {
    let data = Data::new(true);
    for (number, suffix) in [(0, "damaged"), (1, "stray")] {
        data.segment(number).write_all_at(b"xx", 30).unwrap();
        let from = data.logs().join(format!("t-{number}"));
        let to = format!("t-{number}.{ID}-{suffix}");
        fs::rename(from, data.logs().join(to)).unwrap();
    }
    fs::remove_file(data.logs().join("recovery-point-offset-checkpoint")).unwrap();
    let (code, verified) = verify(&data.path());
    assert_eq!(code, Some(0), "{verified}");
    let worst = worst(&verified);
    assert!(worst.len() == 2 && worst.iter().all(|(_, worst)| *worst == "damage"));
    assert_eq!(verified["partitions"][0]["set_aside"], true);
    // Who names one wants to know.
    let one = data.logs().join(format!("t-0.{ID}-damaged"));
    assert_eq!(verify(&one).0, Some(1));
}

#[test]
fn the_groups_of_a_journal_are_shown() {
    let data = Data::new(false);
    let path = data.logs().join("flush-journal.0");
    let output = trimaran(&["log", "dump", "-o", "json"], &path);
    assert!(output.status.success(), "{output:?}");
    let lines: Vec<Value> = text(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (summary, groups) = lines.split_last().unwrap();
    assert_eq!(summary["kind"], "journal");
    assert_eq!(groups.len(), 8);
    for (number, group) in (0..).zip(groups) {
        assert_eq!(group["number"], number + 1);
        assert_eq!(group["position"], number * BLOCK_BYTES);
        assert_eq!(group["low_water"], 1);
        assert_eq!(group["counts"], true);
        let entry = &group["entries"][0];
        if number >= 6 {
            assert_eq!(
                (&entry["kind"], &entry["log"]),
                (&"forget".into(), &"t-1".into())
            );
            continue;
        }
        assert_eq!(entry["log"], format!("t-{}", number % 2));
        assert_eq!(entry["position"], number / 2 * data.batch_bytes);
        assert_eq!(entry["bytes"], data.batch_bytes);
        assert_eq!(entry["void"], number % 2 == 1);
    }
    let output = trimaran(&["log", "dump", "-n", "2"], &path);
    let shown = text(&output);
    let groups: Vec<&str> = shown.lines().filter(|it| it.contains(": group ")).collect();
    assert_eq!(groups.len(), 2, "{shown}");
    assert!(
        groups[0].contains("group 1, 4096 bytes, low water 1, counts"),
        "{shown}"
    );
    let entry = format!(
        "t-1: {} bytes at 0 of the segment at 0, void",
        data.batch_bytes
    );
    assert!(shown.contains(&entry), "{shown}");
    // The folder's dump says what the journal amounts to.
    let shown = text(&trimaran(&["log", "dump"], &data.path()));
    assert!(shown.contains("flush journal: 8 groups"), "{shown}");
    let gone = trimaran(&["log", "dump"], &data.logs().join("flush-journal-7"));
    assert_eq!(gone.status.code(), Some(1));
}
