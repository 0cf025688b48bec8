//! What a pass of the cleaner costs: `cargo bench -p trimaran-commit-log --bench clean`.
//!
//! MB/s of the segments that it looks at, beside a plain copy of the same files in the same run, and
//! bytes of memory for a key. Median of the rounds.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use trimaran_commit_log::{
    CleanControl, CleanJob, CleanReport, CleanedSegment, Cleaner, CleanerSettings, Codec,
    CompactionSettings, DecompressLimits, Log, LogConfig, LogContext, OpenAs, RealDisk,
    ReplaceError, Replaced, compress,
};
use trimaran_types::record_batch::{BatchBuilder, RecordBatch, TimestampType};
use trimaran_types::{LeaderEpoch, Offset, Timestamp, TopicId};

const ROUNDS: usize = 3;
const NOW: Timestamp = Timestamp(1_700_000_000_000);
const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;
const LOG_BYTES: u64 = 96 * 1024 * 1024;

struct Owner<'a>(&'a mut Log);

impl CleanControl for Owner<'_> {
    fn go_on_after(&mut self, _: u64) -> Option<std::time::Duration> {
        Some(std::time::Duration::ZERO)
    }

    fn replace(&mut self, cleaned: CleanedSegment) -> Result<Replaced, ReplaceError> {
        self.0.replace_segments(&cleaned)
    }
}

fn config() -> LogConfig {
    LogConfig {
        compacted: true,
        segment_bytes: SEGMENT_BYTES,
        tail_bytes_max: 0,
        ..LogConfig::default()
    }
}

fn open(root: &Path) -> Log {
    let context = LogContext::standalone(Arc::new(RealDisk), root);
    let topic_id: TopicId = "rYY3nnFSTqSSPHTTP0qT-g".parse().expect("an id");
    let start = OpenAs {
        topic_id,
        recovery_point: Offset::ZERO,
        log_start: None,
        clean_shutdown: false,
    };
    let (mut log, _) = Log::open(&context, &root.join("t-0"), config(), start).expect("opens");
    log.assign_epoch(LeaderEpoch(0), Offset::ZERO)
        .expect("a new epoch");
    log
}

/// Batches of 100 records of about `value_bytes`, over keys of which each comes `times` times.
fn fill(log: &mut Log, value_bytes: usize, times: u64, codec: Option<Codec>) -> u64 {
    let mut noise = 1_u64;
    let records = LOG_BYTES / (value_bytes as u64 + 24);
    let keys = records / times;
    for batch in 0..records / 100 {
        let mut builder = BatchBuilder::new(TimestampType::CreateTime);
        for number in batch * 100..(batch + 1) * 100 {
            let value: Vec<u8> = (0..value_bytes)
                .map(|_| {
                    noise = noise
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    b'a' + (noise >> 60) as u8
                })
                .collect();
            let key = format!("key-{:012}", number * 7919 % keys);
            builder
                .push(NOW, Some(key.as_bytes()), Some(&value), &[])
                .expect("fits a batch");
        }
        let built = builder.build().expect("not empty");
        let built: RecordBatch = match codec {
            Some(codec) => compress(&built, codec, &DecompressLimits::default()).expect("fits"),
            None => built,
        };
        log.append_as_leader(vec![built], LeaderEpoch(0), NOW)
            .expect("appends");
    }
    while let Some(request) = log.begin_flush() {
        request
            .files
            .iter()
            .for_each(|file| file.sync_data().expect("syncs"));
        log.flushed(&request.token());
    }
    records
}

fn clean(log: &mut Log) -> (CleanReport, f64) {
    let settings = CompactionSettings {
        dirty_ratio_min: 0.0,
        ..CompactionSettings::default()
    };
    let reader = log.reader();
    let plan = reader.plan_cleaning(log.flushed_end(), &settings, NOW);
    let config = config();
    let job = CleanJob {
        log: &reader,
        config: &config,
        plan: plan.expect("something is dirty"),
        settings: &settings,
        producer_ends: &[],
        now: NOW,
    };
    let start = Instant::now();
    let report = Cleaner::new(CleanerSettings::default()).clean(&job, &mut Owner(log));
    (report.expect("cleans"), start.elapsed().as_secs_f64())
}

/// Reads twice and writes once what a pass reads and writes, and syncs.
fn plain(root: &Path, report: &CleanReport) -> f64 {
    let path = root.join("plain");
    std::fs::write(&path, vec![7; report.bytes_before as usize]).expect("writes");
    let start = Instant::now();
    let bytes = std::fs::read(&path).expect("reads");
    let again = std::fs::read(&path).expect("reads");
    let kept = &again[..report.bytes_after as usize];
    let file = std::fs::File::create(root.join("copy")).expect("makes");
    std::io::Write::write_all(&mut &file, kept).expect("writes");
    file.sync_data().expect("syncs");
    std::hint::black_box(bytes);
    start.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn row(name: &str, value_bytes: usize, times: u64, codec: Option<Codec>) {
    let (mut ours, mut plains, mut last) = (Vec::new(), Vec::new(), None);
    for _ in 0..ROUNDS {
        let root = tempfile::tempdir().expect("a directory");
        let mut log = open(root.path());
        fill(&mut log, value_bytes, times, codec);
        let (report, seconds) = clean(&mut log);
        let rate = |seconds: f64| report.bytes_before as f64 / seconds / 1e6;
        ours.push(rate(seconds));
        plains.push(rate(plain(root.path(), &report)));
        last = Some(report);
    }
    let report = last.expect("a round");
    let (ours, plain) = (median(ours), median(plains));
    println!(
        "{name:<34} {ours:>8.0} {plain:>8.0} {:>6.0} % {:>9} {:>9.1} {:>7.0} %",
        100.0 * ours / plain,
        report.keys,
        report.map_bytes as f64 / report.keys as f64,
        100.0 * report.bytes_after as f64 / report.bytes_before as f64,
    );
}

fn main() {
    println!(
        "{:<34} {:>8} {:>8} {:>8} {:>9} {:>9} {:>9}",
        "", "MB/s", "plain", "ratio", "keys", "B a key", "left"
    );
    row("1 KiB, each key twice", 1024, 2, None);
    row("1 KiB, each key ten times", 1024, 10, None);
    row("100 B, each key twice", 100, 2, None);
    row("100 B, every key once", 100, 1, None);
    row("100 B, each key twice, lz4", 100, 2, Some(Codec::Lz4));
}
