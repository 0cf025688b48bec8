//! Many logs in one directory: how long they take to make, to open after a clean stop and after a
//! kill, and what they hold open and in memory meanwhile.
//!
//! `cargo bench -p trimaran-commit-log --bench many_logs -- [LOGS] [THREADS] [DIRECTORY]`

#![expect(clippy::unwrap_used, reason = "a benchmark stops by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use trimaran_commit_log::{Log, LogConfig, LogDir, RealDisk, parse_partition_dir};
use trimaran_types::record_batch::{BatchBuilder, TimestampType};
use trimaran_types::{
    BrokerId, ClusterId, DirectoryId, LeaderEpoch, Offset, Timestamp, TopicId, TopicPartition,
};
use uuid::Uuid;

const RECORDS: usize = 10;

struct Bench {
    root: PathBuf,
    partitions: Vec<TopicPartition>,
    threads: usize,
}

fn main() {
    let numbers: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let number = |at: usize, default: usize| {
        numbers
            .get(at)
            .map_or(default, |text| text.parse().unwrap())
    };
    let folder = tempfile::tempdir().unwrap();
    let root = numbers
        .get(2)
        .map_or_else(|| folder.path().to_owned(), PathBuf::from);
    let bench = Bench {
        partitions: (0..number(0, 1_000))
            .map(|at| parse_partition_dir(&format!("topic-{at}")).unwrap())
            .collect(),
        threads: number(1, 8),
        root: root.join("many-logs"),
    };
    println!("logs {}, threads {}", bench.partitions.len(), bench.threads);
    let before = rss_mib();
    let dir = bench.dir();
    let logs = bench.timed("make", &dir, |log| {
        log.assign_epoch(LeaderEpoch(0), log.log_end()).unwrap();
        let mut builder = BatchBuilder::new(TimestampType::CreateTime);
        for _ in 0..RECORDS {
            let value = Some(&[7_u8; 100][..]);
            builder.push(Timestamp(1), None, value, &[]).unwrap();
        }
        let batch = builder.build().unwrap();
        log.append_as_leader(vec![batch], LeaderEpoch(0), Timestamp(1))
            .unwrap();
    });
    bench.hold("made and written", before);
    let began = Instant::now();
    for log in logs {
        log.close().unwrap();
    }
    println!("close {:.2} s", began.elapsed().as_secs_f64());
    dir.mark_clean_shutdown(None).unwrap();
    drop(dir);

    let before = rss_mib();
    let dir = bench.dir();
    let mut logs = bench.timed("open after a clean stop", &dir, |_| {});
    assert!(logs.iter().all(|log| log.log_end().0 == RECORDS as i64));
    bench.hold("idle", before);
    let began = Instant::now();
    for log in &mut logs {
        let found = log.retain(Offset(i64::MAX), Timestamp(2)).unwrap();
        assert_eq!(found, None);
    }
    println!(
        "look for old segments {:.3} s",
        began.elapsed().as_secs_f64()
    );
    dir.context().files.close_idle();
    dir.context().files.close_idle();
    bench.hold("after closing idle files", before);
    // Dropped without being closed, as by a kill; nothing says any more what is synced.
    drop((logs, dir));
    let points = bench.root.join("logs/recovery-point-offset-checkpoint");
    std::fs::remove_file(points).unwrap();
    let dir = bench.dir();
    let logs = bench.timed("open after a kill", &dir, |_| {});
    assert!(logs.iter().all(|log| log.log_end().0 == RECORDS as i64));
    drop((logs, dir));
    std::fs::remove_dir_all(&bench.root).unwrap();
}

impl Bench {
    fn dir(&self) -> LogDir {
        let cluster = ClusterId::from_uuid(Uuid::from_u128(1));
        let directory = DirectoryId::from_uuid(Uuid::from_u128(2));
        LogDir::open(
            Arc::new(RealDisk),
            &self.root,
            cluster,
            BrokerId(1),
            directory,
        )
        .unwrap()
    }

    fn timed(&self, what: &str, dir: &LogDir, then: impl Fn(&mut Log) + Sync) -> Vec<Log> {
        let (began, next) = (Instant::now(), AtomicUsize::new(0));
        let topic_id = TopicId::from_uuid(Uuid::from_u128(3));
        let work = || {
            let mut logs = Vec::new();
            while let Some(partition) = self.partitions.get(next.fetch_add(1, Ordering::Relaxed)) {
                let at = dir.partition_dir(partition);
                let start = dir.open_as(partition, topic_id);
                let opened = Log::open(dir.context(), &at, LogConfig::default(), start);
                let (mut log, _) = opened.unwrap();
                then(&mut log);
                logs.push(log);
            }
            logs
        };
        let logs: Vec<Log> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..self.threads).map(|_| scope.spawn(work)).collect();
            running
                .into_iter()
                .flat_map(|thread| thread.join().unwrap())
                .collect()
        });
        println!("{what} {:.2} s", began.elapsed().as_secs_f64());
        logs
    }

    fn hold(&self, what: &str, before_mib: f64) {
        let files = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        let more = rss_mib() - before_mib;
        let each_kib = more * 1024.0 / self.partitions.len() as f64;
        println!("{what}: {files} descriptors, {more:.1} MiB more, {each_kib:.1} KiB a log");
    }
}

fn rss_mib() -> f64 {
    let status = std::fs::read_to_string(Path::new("/proc/self/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}
