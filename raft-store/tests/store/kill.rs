//! A child process appends, truncates, purges and votes, and is killed at some moment, again and
//! again on the same directory. What it was told is durable must be there, without a hole.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use openraft::Vote;
use openraft::storage::{RaftLogReader, RaftLogStorage};

use crate::support::{directory, entry, log_id, open, submit};

const DIRECTORY: &str = "TRIMARAN_TEST_KILL_DIRECTORY";
const ROUND: &str = "TRIMARAN_TEST_KILL_ROUND";

/// What the child has said so far.
#[derive(Default)]
struct Told {
    acked: Option<u64>,
    vote: u64,
}

#[test]
fn nothing_acknowledged_is_lost_by_a_kill() {
    let directory = directory();
    let mut told = Told::default();
    for round in 1..=10_u64 {
        run_and_kill(directory.path(), round, &mut told);
        check(directory.path(), &told);
    }
    assert!(
        told.acked.is_some_and(|acked| acked > 100),
        "{:?}",
        told.acked
    );
}

fn run_and_kill(path: &Path, round: u64, told: &mut Told) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--nocapture", "--ignored"])
        .env(DIRECTORY, path)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut lines = output.lines();
    // Counting from its first word, so that a slow machine does not kill it before it began.
    while lines.next().unwrap().unwrap() != "begun" {}
    let killer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30 + (round * 67) % 170));
        child.kill().unwrap();
        child.wait().unwrap();
    });
    for line in lines {
        let Ok(line) = line else { break };
        let mut words = line.split(' ');
        let (word, number) = (
            words.next(),
            words.next().and_then(|number| number.parse().ok()),
        );
        match (word, number, words.next()) {
            (Some("acked"), Some(index), Some(".")) => told.acked = told.acked.max(Some(index)),
            // Said before it is asked for: from here on what lies above may be gone.
            (Some("truncating"), Some(index), Some(".")) => {
                told.acked = told.acked.min(Some(index))
            }
            (Some("voted"), Some(term), Some(".")) => told.vote = term,
            _ => {}
        }
    }
    killer.join().unwrap();
}

fn check(path: &Path, told: &Told) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = open(path);
        let state = store.log().get_log_state().await.unwrap();
        let last = state.last_log_id.map(|log_id| log_id.index);
        assert!(
            last >= told.acked,
            "last {last:?}, acknowledged {:?}",
            told.acked
        );
        let vote = store.log().reader().read_vote().await.unwrap();
        assert!(vote.map_or(0, |vote| vote.leader_id.term) >= told.vote);
        let entries = store.log().reader().try_get_log_entries(..).await.unwrap();
        let first = state
            .last_purged_log_id
            .map_or(0, |log_id| log_id.index + 1);
        for (place, found) in entries.iter().enumerate() {
            assert_eq!(found.log_id.index, first + place as u64);
            let term = found.log_id.leader_id.term;
            assert_eq!(*found, entry(term, found.log_id.index), "content");
            assert!(
                vote.is_some_and(|vote| vote.leader_id.term >= term),
                "entry before its vote"
            );
        }
        let count = entries.len() as u64;
        assert_eq!(
            last.map_or(0, |last| last + 1) - first,
            count,
            "all of the log is readable"
        );
        store.close().await.unwrap();
    });
}

#[test]
#[ignore = "the child of the test above"]
fn child() {
    let Ok(path) = std::env::var(DIRECTORY) else {
        return;
    };
    let term: u64 = std::env::var(ROUND).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(work(Path::new(&path), term));
}

fn say(text: std::fmt::Arguments<'_>) {
    // One write call, so that a kill cannot cut a line in two.
    let line = format!("{text}\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
    std::io::stdout().flush().unwrap();
}

async fn work(path: &Path, term: u64) {
    let store = open(path);
    let mut log = store.log();
    say(format_args!("\nbegun"));
    log.save_vote(&Vote::new(term, 1)).await.unwrap();
    say(format_args!("voted {term} ."));
    let state = log.get_log_state().await.unwrap();
    let mut next = state.last_log_id.map_or(0, |log_id| log_id.index + 1);
    for step in 0_u64.. {
        let mut waiting = Vec::new();
        for _ in 0..8 {
            let end = next + 1 + step % 5;
            let entries = (next..end).map(|index| entry(term, index)).collect();
            waiting.push((end - 1, submit(&mut log, entries).await));
            next = end;
        }
        for (last, done) in waiting {
            done.await.unwrap();
            say(format_args!("acked {last} ."));
        }
        if step % 7 == 6 {
            let keep = next - 4;
            say(format_args!("truncating {keep} ."));
            log.truncate_after(Some(log_id(term, keep))).await.unwrap();
            next = keep + 1;
        }
        if step % 11 == 10 {
            let up_to = next - 20;
            log.purge(log_id(term, up_to)).await.unwrap();
            log.save_committed(Some(log_id(term, next - 1)))
                .await
                .unwrap();
        }
    }
}
