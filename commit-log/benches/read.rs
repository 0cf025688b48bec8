//! What reading costs beside the bare file: `cargo bench -p trimaran-commit-log --bench read`.
//!
//! Every batch that is read is verified. Sequentially: the whole log by reads of 1 MiB against `pread`
//! of the same file. At random: the batch that holds an offset, found by index, against `pread` of the
//! same bytes at a position that is known. All from the page cache, in turn, medians of the rounds.

mod fixture;

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use hdrhistogram::Histogram;
use trimaran_commit_log::{Disk, DiskFile, Log, LogConfig, LogContext, OpenAs, OpenHow, RealDisk};
use trimaran_types::{LeaderEpoch, Offset, TopicId};

use fixture::{append, batch_bytes, median};

const ROUNDS: usize = 5;
const LOG_BYTES: u64 = 400 << 20;
const SEGMENT_BYTES: u64 = 64 << 20;
const READ_BYTES: usize = 1 << 20;
const RANDOM_READS: usize = 20_000;

/// A log that was written and closed, and where its batches lie.
struct Written {
    _root: tempfile::TempDir,
    reopened: Log,
    files: Vec<Arc<dyn DiskFile>>,
    /// Batches in every file but the last.
    batches_in_file: usize,
    batches: usize,
    records: usize,
    batch_bytes: usize,
}

fn open(context: &LogContext, root: &Path, recovery_point: Offset) -> Log {
    let topic_id: TopicId = "rYY3nnFSTqSSPHTTP0qT-g".parse().expect("an id");
    let start = OpenAs {
        topic_id,
        recovery_point,
        log_start: None,
        clean_shutdown: recovery_point > Offset::ZERO,
    };
    let config = LogConfig {
        segment_bytes: SEGMENT_BYTES,
        ..LogConfig::default()
    };
    Log::open(context, &root.join("t-0"), config, start)
        .expect("opens")
        .0
}

fn write(records: usize) -> Written {
    let bytes = batch_bytes(records);
    let root = tempfile::tempdir().expect("a directory");
    let context = LogContext::standalone(Arc::new(RealDisk), root.path());
    let mut log = open(&context, root.path(), Offset::ZERO);
    log.assign_epoch(LeaderEpoch(0), Offset::ZERO)
        .expect("a new epoch");
    let batches = usize::try_from(LOG_BYTES).expect("fits") / bytes.len();
    (0..batches).for_each(|_| append(&mut log, &bytes, 1));
    let end = log.log_end();
    log.close().expect("closes");
    let dir = root.path().join("t-0");
    let mut names: Vec<String> = RealDisk
        .list(&dir)
        .expect("lists")
        .into_iter()
        .map(|entry| entry.name)
        .filter(|name| name.ends_with(".log"))
        .collect();
    names.sort();
    let opened = |name: &String| RealDisk.open(&dir.join(name), OpenHow::Existing);
    let files: Vec<_> = names
        .iter()
        .map(|name| opened(name).expect("opens"))
        .collect();
    let in_file = files[0].bytes().expect("has a length");
    Written {
        reopened: open(&context, root.path(), end),
        _root: root,
        batches_in_file: usize::try_from(in_file).expect("fits") / bytes.len(),
        files,
        batches,
        records,
        batch_bytes: bytes.len(),
    }
}

impl Written {
    fn end(&self) -> Offset {
        Offset((self.batches * self.records) as i64)
    }

    fn sequentially(&self) -> f64 {
        let (reader, end) = (self.reopened.reader(), self.end());
        let began = Instant::now();
        let mut from = Offset::ZERO;
        while from < end {
            let bytes = reader.read(from, end, READ_BYTES).expect("reads");
            from = from.plus((bytes.len() / self.batch_bytes * self.records) as i64);
        }
        began.elapsed().as_secs_f64()
    }

    fn sequentially_bare(&self) -> f64 {
        let began = Instant::now();
        for file in &self.files {
            let mut at = 0;
            loop {
                let mut buffer = Vec::new();
                match file.read_at(at, READ_BYTES, &mut buffer).expect("reads") {
                    0 => break,
                    read => at += black_box(read) as u64,
                }
            }
        }
        began.elapsed().as_secs_f64()
    }

    fn at_random(&self, numbers: &[usize]) -> Histogram<u64> {
        let (reader, end) = (self.reopened.reader(), self.end());
        let mut latencies = histogram();
        for number in numbers {
            // The last record of the batch: the search must come to the batch that holds it.
            let from = Offset(((number + 1) * self.records - 1) as i64);
            let began = Instant::now();
            let bytes = reader.read(from, end, 1).expect("reads");
            latencies.saturating_record(nanos(began));
            assert_eq!(bytes.len(), self.batch_bytes, "one batch");
        }
        latencies
    }

    fn at_random_bare(&self, numbers: &[usize]) -> Histogram<u64> {
        let mut latencies = histogram();
        for number in numbers {
            let file = &self.files[number / self.batches_in_file];
            let position = (number % self.batches_in_file * self.batch_bytes) as u64;
            let began = Instant::now();
            let mut buffer = Vec::new();
            file.read_at(position, self.batch_bytes, &mut buffer)
                .expect("reads");
            latencies.saturating_record(nanos(began));
            black_box(buffer);
        }
        latencies
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("bounds are in order")
}

fn nanos(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Numbers of batches, the same in every run: a multiplicative generator, full period.
fn numbers(below: usize) -> Vec<usize> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    (0..RANDOM_READS)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        })
        .collect()
}

fn measure(records: usize) {
    let written = write(records);
    let numbers = numbers(written.batches);
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    let (mut our_p50, mut our_p99) = (Vec::new(), Vec::new());
    let (mut bare_p50, mut bare_p99) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let times = (written.sequentially(), written.sequentially_bare());
        let random = (
            written.at_random(&numbers),
            written.at_random_bare(&numbers),
        );
        // The first round warms the page cache.
        if round == 0 {
            continue;
        }
        ours.push(times.0);
        bare.push(times.1);
        let at = |histogram: &Histogram<u64>, q| histogram.value_at_quantile(q) as f64 / 1e3;
        our_p50.push(at(&random.0, 0.5));
        our_p99.push(at(&random.0, 0.99));
        bare_p50.push(at(&random.1, 0.5));
        bare_p99.push(at(&random.1, 0.99));
    }
    let rate = |seconds: f64| (written.batches * written.batch_bytes) as f64 / seconds / 1e6;
    row(
        &format!("sequential, batches of {records} x 1 KiB, MB/s"),
        rate(median(ours)),
        rate(median(bare)),
    );
    row(
        &format!("random, batches of {records} x 1 KiB, p50 us"),
        median(our_p50),
        median(bare_p50),
    );
    row(
        &format!("random, batches of {records} x 1 KiB, p99 us"),
        median(our_p99),
        median(bare_p99),
    );
}

fn row(name: &str, ours: f64, bare: f64) {
    println!(
        "{name:<44} {ours:>8.1} {bare:>8.1} {:>6.0} %",
        100.0 * ours / bare
    );
}

fn main() {
    println!("{:<44} {:>8} {:>8} {:>8}", "", "log", "pread", "ratio");
    measure(100);
    measure(1);
}
