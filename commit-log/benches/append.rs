//! What appending costs beside the bare file: `cargo bench -p trimaran-commit-log --bench append`.
//!
//! Into the page cache, checksums verified, nothing synced. Each row compares with the same bytes
//! through plain calls, measured in turn in the same run; the median of the rounds counts. Absolute
//! numbers mean little on another machine.

mod fixture;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use trimaran_commit_log::{Disk, DiskFile, Log, LogConfig, LogContext, OpenAs, OpenHow, RealDisk};
use trimaran_types::{LeaderEpoch, Offset, TopicId};

use fixture::{append, batch_bytes, median};

const ROUNDS: usize = 5;
const APPENDS: usize = 4096;

fn open_log(root: &Path) -> Log {
    let context = LogContext::standalone(Arc::new(RealDisk), root);
    let topic_id: TopicId = "rYY3nnFSTqSSPHTTP0qT-g".parse().expect("an id");
    let start = OpenAs {
        topic_id,
        recovery_point: Offset::ZERO,
        log_start: None,
        clean_shutdown: false,
    };
    let (mut log, _) =
        Log::open(&context, &root.join("t-0"), LogConfig::default(), start).expect("opens");
    log.assign_epoch(LeaderEpoch(0), log.log_end())
        .expect("a new epoch");
    log
}

/// Seconds that `work` takes in a fresh directory.
fn timed(work: impl FnOnce(&Path) -> Instant) -> f64 {
    let root = tempfile::tempdir().expect("a directory");
    let start = work(root.path());
    start.elapsed().as_secs_f64()
}

fn append_to_page_cache(records: usize) {
    let bytes = batch_bytes(records);
    let ours = || {
        timed(|root| {
            let mut log = open_log(root);
            let start = Instant::now();
            (0..APPENDS).for_each(|_| append(&mut log, &bytes, 1));
            start
        })
    };
    let plain = || {
        timed(|root| {
            let file: Arc<dyn DiskFile> = RealDisk
                .open(&root.join("plain"), OpenHow::Empty)
                .expect("opens");
            let start = Instant::now();
            for number in 0..APPENDS {
                file.write_all_at((number * bytes.len()) as u64, &bytes)
                    .expect("writes");
            }
            start
        })
    };
    let (mut our_times, mut plain_times) = (Vec::new(), Vec::new());
    plain();
    ours();
    // In turn, so that neither has the warmer memory.
    for _ in 0..ROUNDS {
        our_times.push(ours());
        plain_times.push(plain());
    }
    let (ours, plain) = (median(our_times), median(plain_times));
    let rate = |seconds: f64| (APPENDS * bytes.len()) as f64 / seconds / 1e6;
    println!(
        "{:<44} {:>8.0} {:>8.0} {:>6.0} %",
        format!("append {records} x 1 KiB, page cache"),
        rate(ours),
        rate(plain),
        100.0 * plain / ours
    );
}

fn main() {
    println!("{:<44} {:>8} {:>8} {:>8}", "", "MB/s", "plain", "ratio");
    append_to_page_cache(100);
    append_to_page_cache(1);
}
