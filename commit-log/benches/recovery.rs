//! What a restart costs: `cargo bench -p trimaran-commit-log --bench recovery`.
//!
//! Recovery after a crash is compared with a plain pass over the same bytes, read in order and
//! checksummed, from the device in both cases. 2 GiB, or 256 MiB with `--quick`.

mod fixture;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use trimaran_commit_log::{
    Disk, DiskFile, Log, LogConfig, LogContext, LogDir, OpenAs, OpenHow, RealDisk,
    parse_partition_dir,
};
use trimaran_types::{
    BrokerId, ClusterId, DirectoryId, LeaderEpoch, Offset, TopicId, TopicPartition,
};
use uuid::Uuid;

use fixture::{append, batch_bytes, median};

const ROUNDS: usize = 3;
const PARTITIONS: usize = 1000;
const BLOCK_BYTES: usize = 1 << 20;

fn topic_id() -> TopicId {
    TopicId::from_uuid(Uuid::from_u128(7))
}

fn open(root: &Path) -> Log {
    let context = LogContext::standalone(Arc::new(RealDisk), root);
    let start = OpenAs {
        topic_id: topic_id(),
        recovery_point: Offset::ZERO,
        log_start: None,
        clean_shutdown: false,
    };
    let (log, _) =
        Log::open(&context, &root.join("t-0"), LogConfig::default(), start).expect("opens");
    log
}

fn flush(log: &mut Log) {
    if let Some(request) = log.begin_flush() {
        for file in &request.files {
            file.sync_data().expect("syncs");
        }
        log.flushed(&request.token());
    }
}

/// Reads and checksums every byte of the segments.
fn plain_pass(root: &Path) -> u32 {
    let dir = root.join("t-0");
    let mut sum = 0;
    for entry in RealDisk.list(&dir).expect("lists") {
        if !entry.name.ends_with(".log") {
            continue;
        }
        let file: Arc<dyn DiskFile> = RealDisk
            .open(&dir.join(&entry.name), OpenHow::Existing)
            .expect("opens");
        file.forget_cached();
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        let mut at = 0;
        while at < entry.bytes {
            block.clear();
            at += file.read_at(at, BLOCK_BYTES, &mut block).expect("reads") as u64;
            sum = crc32c::crc32c_append(sum, &block);
        }
    }
    sum
}

fn seconds(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64()
}

fn recover(records: usize, bytes: u64) {
    let root = tempfile::tempdir().expect("a directory");
    let batch = batch_bytes(records);
    let mut log = open(root.path());
    log.assign_epoch(LeaderEpoch(0), Offset::ZERO)
        .expect("a new epoch");
    let mut written = 0;
    while written < bytes {
        append(&mut log, &batch, 1);
        written += batch.len() as u64;
    }
    flush(&mut log);
    let end = log.log_end();
    drop(log);
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        plain.push(seconds(|| {
            std::hint::black_box(plain_pass(root.path()));
        }));
        ours.push(seconds(|| assert_eq!(open(root.path()).log_end(), end)));
    }
    let (ours, plain) = (median(ours), median(plain));
    let rate = |seconds: f64| written as f64 / seconds / 1e6;
    let name = format!("recover {} MiB of {records} x 1 KiB batches", written >> 20);
    println!(
        "{name:<44} {:>8.0} {:>8.0} {:>6.0} %",
        rate(ours),
        rate(plain),
        100.0 * plain / ours
    );
}

fn data_dir(root: &Path) -> LogDir {
    LogDir::open(
        Arc::new(RealDisk),
        root,
        ClusterId::from_uuid(Uuid::from_u128(1)),
        BrokerId(1),
        DirectoryId::from_uuid(Uuid::from_u128(2)),
    )
    .expect("opens")
}

fn open_in(dir: &LogDir, partition: &TopicPartition) -> Log {
    let start = dir.open_as(partition, topic_id());
    let path = dir.partition_dir(partition);
    let (log, _) = Log::open(dir.context(), &path, LogConfig::default(), start).expect("opens");
    log
}

fn open_many_after_a_clean_stop() {
    let root = tempfile::tempdir().expect("a directory");
    let partitions: Vec<_> = (0..PARTITIONS)
        .map(|number| parse_partition_dir(&format!("t-{number}")).expect("a name"))
        .collect();
    let batch = batch_bytes(10);
    let mut dir = data_dir(root.path());
    for partition in &partitions {
        let mut log = open_in(&dir, partition);
        log.assign_epoch(LeaderEpoch(0), Offset::ZERO)
            .expect("a new epoch");
        append(&mut log, &batch, 1);
        log.close().expect("closes");
    }
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        dir.mark_clean_shutdown(None).expect("marks");
        drop(dir);
        dir = data_dir(root.path());
        took.push(seconds(|| {
            for partition in &partitions {
                assert_eq!(open_in(&dir, partition).log_end(), Offset(10));
            }
        }));
    }
    let name = format!("clean open of {PARTITIONS} partitions, one thread");
    println!("{name:<44} {:>8.0} ms", median(took) * 1e3);
}

fn main() {
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let bytes = if is_quick { 256 << 20 } else { 2 << 30 };
    println!("{:<44} {:>8} {:>8} {:>8}", "", "MB/s", "plain", "ratio");
    recover(100, bytes);
    recover(1, bytes);
    open_many_after_a_clean_stop();
}
