//! How bytes become durable, bare: `cargo bench -p trimaran-commit-log --bench durability`.
//!
//! No log of ours runs here. The same appends go to bare files in each of the ways that a log could
//! store them, so that the way is chosen by a table and not by taste (ADR 0013).
//!
//! The load: every partition always has one append waiting, and gives the next one when that is on
//! disk. A pool of threads serves them, as the log's flusher does; the journal has one thread, which
//! takes all that wait. Latency counts from the moment the append waits.
//!
//! Only ratios within one load mean anything: the ways run in turn, the median of the rounds by
//! appends counts. `--quick` shortens each row; `--partitions N` leaves out the other loads; `--dir
//! DIR` puts the files there, which must be no memory disk.

mod aligned;
mod journal;
mod load;
mod pool;
mod processor_time;
mod segment;
mod storage;

use std::path::{Path, PathBuf};
use std::time::Duration;

use load::{Load, Measured};
use storage::Storage;

const PARTITIONS: [usize; 4] = [1, 10, 100, 1_000];
const APPEND_BYTES: [usize; 2] = [4 * 1024, 64 * 1024];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let value_of = |option: &str| {
        let at = arguments.iter().position(|argument| argument == option)?;
        arguments.get(at + 1)
    };
    let dir = value_of("--dir").map_or_else(std::env::temp_dir, PathBuf::from);
    let only = value_of("--partitions").map(|count| count.parse().expect("a number"));
    let row_length = Duration::from_millis(if quick { 1_000 } else { 3_000 });
    let rounds = if quick { 3 } else { 5 };
    println!(
        "{:>10} {:>4} {:<21} {:>9} {:>8} {:>9} {:>8} {:>8} {:>9}",
        "partitions",
        "KiB",
        "storage",
        "synced/s",
        "MB/s",
        "CPU s/GB",
        "p50 us",
        "p99 us",
        "p99.9 us"
    );
    for partitions in PARTITIONS
        .into_iter()
        .filter(|partitions| only.is_none_or(|only: usize| only == *partitions))
    {
        for append_bytes in APPEND_BYTES {
            let load = Load {
                partitions,
                append_bytes,
                length: row_length,
            };
            table(&dir, load, rounds);
        }
    }
}

/// All ways for one load, in turn, so that a slow moment of the device meets all of them.
fn table(dir: &Path, load: Load, rounds: usize) {
    let mut results: Vec<Vec<Measured>> = Storage::ALL.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (storage, measured) in Storage::ALL.iter().zip(&mut results) {
            let root = tempfile::tempdir_in(dir).expect("a directory");
            measured.push(storage.run(root.path(), load));
        }
    }
    for (storage, mut measured) in Storage::ALL.iter().zip(results) {
        measured.sort_by(|a, b| a.appends_per_second.total_cmp(&b.appends_per_second));
        let median = &measured[measured.len() / 2];
        println!(
            "{:>10} {:>4} {:<21} {:>9.0} {:>8.1} {:>9.2} {:>8} {:>8} {:>9}",
            load.partitions,
            load.append_bytes / 1024,
            storage.name(),
            median.appends_per_second,
            median.appends_per_second * load.append_bytes as f64 / 1e6,
            median.processor_seconds_per_gb,
            median.p50_us,
            median.p99_us,
            median.p999_us,
        );
    }
}
