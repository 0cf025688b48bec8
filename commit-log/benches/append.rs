//! What the log costs beside the bare file: `cargo bench -p trimaran-commit-log`.
//!
//! Each row compares with the same bytes through plain calls, measured in turn in the same run;
//! the median of the rounds counts. Absolute numbers mean little on another machine.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Instant;

use bytes::Bytes;
use trimaran_commit_log::{
    Disk, DiskFile, Flusher, Log, LogConfig, LogContext, OpenAs, OpenHow, RealDisk,
};
use trimaran_types::record_batch::{BatchBuilder, RecordBatch, TimestampType};
use trimaran_types::{LeaderEpoch, Offset, Timestamp, TopicId};

const ROUNDS: usize = 5;
const APPENDS: usize = 4096;
const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn batch_bytes(records: usize) -> Bytes {
    let mut builder = BatchBuilder::new(TimestampType::CreateTime);
    let value: Vec<u8> = (0..1024).map(|n| (n * 31 % 251) as u8).collect();
    for _ in 0..records {
        builder
            .push(NOW, None, Some(&value), &[])
            .expect("fits a batch");
    }
    builder.build().expect("not empty").into_bytes()
}

fn open_log(context: &LogContext, root: &Path, number: usize, config: LogConfig) -> Log {
    let topic_id: TopicId = "rYY3nnFSTqSSPHTTP0qT-g".parse().expect("an id");
    let start = OpenAs {
        topic_id,
        recovery_point: Offset::ZERO,
        log_start: None,
        clean_shutdown: false,
    };
    let dir = root.join(format!("t-{number}"));
    let (mut log, _) = Log::open(context, &dir, config, start).expect("opens");
    log.assign_epoch(LeaderEpoch(0), log.log_end())
        .expect("a new epoch");
    log
}

fn append(log: &mut Log, bytes: &Bytes) {
    let batch = RecordBatch::parse(bytes.clone()).expect("a good batch");
    log.append_as_leader(vec![batch], LeaderEpoch(0), NOW)
        .expect("appends");
}

fn open_file(root: &Path, number: usize) -> Arc<dyn DiskFile> {
    RealDisk
        .open(&root.join(format!("plain-{number}")), OpenHow::Empty)
        .expect("opens")
}

/// Seconds that `work` takes in a fresh directory.
fn timed(work: impl FnOnce(&Path) -> Instant) -> f64 {
    let root = tempfile::tempdir().expect("a directory");
    let start = work(root.path());
    start.elapsed().as_secs_f64()
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// Both in turn, so that neither has the warmer memory.
fn compare(
    name: &str,
    bytes: usize,
    mut ours: impl FnMut() -> f64,
    mut plain: impl FnMut() -> f64,
) {
    let (mut our_times, mut plain_times) = (Vec::new(), Vec::new());
    plain();
    ours();
    for _ in 0..ROUNDS {
        our_times.push(ours());
        plain_times.push(plain());
    }
    let (ours, plain) = (median(our_times), median(plain_times));
    let rate = |seconds: f64| bytes as f64 / seconds / 1e6;
    println!(
        "{name:<44} {:>8.0} {:>8.0} {:>6.0} %",
        rate(ours),
        rate(plain),
        100.0 * plain / ours
    );
}

fn append_to_page_cache(records: usize) {
    let bytes = batch_bytes(records);
    let ours = || {
        timed(|root| {
            let context = LogContext::standalone(Arc::new(RealDisk), root);
            let mut log = open_log(&context, root, 0, LogConfig::default());
            let start = Instant::now();
            (0..APPENDS).for_each(|_| append(&mut log, &bytes));
            start
        })
    };
    let plain = || {
        timed(|root| {
            let file = open_file(root, 0);
            let start = Instant::now();
            for number in 0..APPENDS {
                file.write_all_at((number * bytes.len()) as u64, &bytes)
                    .expect("writes");
            }
            start
        })
    };
    let name = format!("append {records} x 1 KiB, page cache");
    compare(&name, APPENDS * bytes.len(), ours, plain);
}

/// Plain files that grow, written in turn and synced by as many threads as the flusher has.
fn plain_files_synced(files: usize, rounds: usize, bytes: &[u8]) -> f64 {
    timed(|root| {
        let files: Vec<_> = (0..files).map(|n| open_file(root, n)).collect();
        let threads = files.len().min(16);
        let start = Instant::now();
        for round in 0..rounds {
            let at = (round * bytes.len()) as u64;
            files
                .iter()
                .for_each(|file| file.write_all_at(at, bytes).expect("writes"));
            if threads == 1 {
                files[0].sync_data().expect("syncs");
                continue;
            }
            std::thread::scope(|scope| {
                for part in files.chunks(files.len().div_ceil(threads)) {
                    scope.spawn(|| part.iter().for_each(|f| f.sync_data().expect("syncs")));
                }
            });
        }
        start
    })
}

/// The log with room and without, and plain files that grow.
fn append_and_sync(logs: usize, rounds: usize, records: usize) {
    let bytes = batch_bytes(records);
    let ours = |preallocate: bool| {
        timed(|root| {
            let context = LogContext::standalone(Arc::new(RealDisk), root);
            let config = LogConfig {
                preallocate,
                ..LogConfig::default()
            };
            let mut logs: Vec<Log> = (0..logs)
                .map(|number| open_log(&context, root, number, config.clone()))
                .collect();
            let flusher = Flusher::start(Arc::clone(&context.latch), 16, 1000).expect("starts");
            let (sender, done) = mpsc::channel();
            let start = Instant::now();
            for _ in 0..rounds {
                for (number, log) in logs.iter_mut().enumerate() {
                    append(log, &bytes);
                    let request = log.begin_flush().expect("there is something");
                    let (sender, token) = (sender.clone(), request.token());
                    let on_done = move |result: Result<(), _>| {
                        let told = result.map(|()| (number, token));
                        sender.send(told).expect("someone waits");
                    };
                    flusher.submit(request, Box::new(on_done));
                }
                for _ in 0..logs.len() {
                    let (number, token) = done.recv().expect("an answer").expect("a sync");
                    logs[number].flushed(&token);
                }
            }
            start
        })
    };
    let plain = || plain_files_synced(logs, rounds, &bytes);
    let mut times = [const { Vec::new() }; 3];
    for round in 0..=ROUNDS {
        let taken = [ours(true), ours(false), plain()];
        // The first round warms memory.
        if round > 0 {
            times
                .iter_mut()
                .zip(taken)
                .for_each(|(all, one)| all.push(one));
        }
    }
    let name = format!("append {records} x 1 KiB + sync, {logs} logs");
    let rates = times.map(|all| (logs * rounds) as f64 / median(all));
    println!(
        "{name:<44} {:>8.0} {:>8.0} {:>8.0} {:>6.0} %",
        rates[0],
        rates[1],
        rates[2],
        100.0 * rates[0] / rates[1]
    );
}

fn read_sequentially() {
    let bytes = batch_bytes(100);
    let root = tempfile::tempdir().expect("a directory");
    let context = LogContext::standalone(Arc::new(RealDisk), root.path());
    let mut log = open_log(&context, root.path(), 0, LogConfig::default());
    (0..APPENDS).for_each(|_| append(&mut log, &bytes));
    log.close().expect("closes");
    let (size, end) = (APPENDS * bytes.len(), Offset((APPENDS * 100) as i64));
    let reader = open_log_to_read(&context, root.path(), end);
    let path = root.path().join("t-0/00000000000000000000.log");
    let file = RealDisk.open(&path, OpenHow::Existing).expect("opens");
    let ours = || {
        timed(|_| {
            let start = Instant::now();
            let mut from = Offset::ZERO;
            while from < end {
                let bytes = reader.reader().read(from, end, 1 << 20).expect("reads");
                from = from.plus((bytes.len() / batch_len()) as i64 * 100);
            }
            start
        })
    };
    let plain = || {
        timed(|_| {
            let start = Instant::now();
            let mut at = 0;
            while at < size {
                let mut buffer = Vec::new();
                at += file
                    .read_at(at as u64, 1 << 20, &mut buffer)
                    .expect("reads");
            }
            start
        })
    };
    compare(
        "sequential read, page cache, 1 MiB, verified",
        size,
        ours,
        plain,
    );
}

fn batch_len() -> usize {
    static LENGTH: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *LENGTH.get_or_init(|| batch_bytes(100).len())
}

fn open_log_to_read(context: &LogContext, root: &Path, end: Offset) -> Log {
    let topic_id: TopicId = "rYY3nnFSTqSSPHTTP0qT-g".parse().expect("an id");
    let start = OpenAs {
        topic_id,
        recovery_point: end,
        log_start: None,
        clean_shutdown: true,
    };
    Log::open(context, &root.join("t-0"), LogConfig::default(), start)
        .expect("opens")
        .0
}

fn main() {
    println!("{:<44} {:>8} {:>8} {:>8}", "", "MB/s", "plain", "ratio");
    append_to_page_cache(100);
    append_to_page_cache(1);
    read_sequentially();
    println!(
        "\n{:<44} {:>8} {:>8} {:>8} {:>8}",
        "synced appends a second", "room", "growing", "plain", "room/gr."
    );
    append_and_sync(1, 500, 1);
    append_and_sync(1, 500, 4);
    append_and_sync(1, 200, 100);
    append_and_sync(100, 20, 1);
    append_and_sync(100, 20, 4);
    append_and_sync(100, 10, 100);
}
