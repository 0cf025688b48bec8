//! Synced appends: `cargo bench -p trimaran-commit-log --bench synced`.
//!
//! In each log, so many appends of one 1 KiB record wait all the time. As in the broker, what waits
//! goes in one write, a log has one flush under way, and each acknowledged append is followed by the
//! next one. The bare row does the same with files that grow: one write of the same bytes, one
//! `fdatasync`, as many at a time as the flusher has threads. Rows run in turn; medians of the rounds.

#[path = "../fixture/mod.rs"]
mod fixture;

mod bare;
mod counting_disk;
mod ours;

use std::time::Duration;

use fixture::median;

const ROUNDS: usize = 3;
/// As many as the flusher of a broker has.
const THREADS: usize = 16;

/// What waits, and for how long it is measured.
#[derive(Debug, Clone, Copy)]
struct Load {
    logs: usize,
    waiting_in_each: usize,
    length: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Measured {
    batches_per_second: f64,
    batches_per_sync: f64,
}

/// How a log makes its flushes cheap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Journal,
    Room,
    Growing,
}

/// A way to store, and what it is called.
const WAYS: [(&str, Way); 3] = [
    ("log, journal", Way::Journal),
    ("log, room", Way::Room),
    ("log, growing", Way::Growing),
];

fn main() {
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let length = Duration::from_millis(if is_quick { 300 } else { 1_000 });
    println!(
        "{:>5} {:>8} {:<14} {:>10} {:>8} {:>13} {:>8}",
        "logs", "waiting", "", "batches/s", "MB/s", "batches/sync", "of bare"
    );
    for logs in [1, 100] {
        for waiting_in_each in [1, 8, 64] {
            table(Load {
                logs,
                waiting_in_each,
                length,
            });
        }
    }
}

fn table(load: Load) {
    let mut bare = Vec::new();
    let mut ways: Vec<Vec<Measured>> = WAYS.iter().map(|_| Vec::new()).collect();
    for round in 0..=ROUNDS {
        let bare_now = bare::run(load);
        let ways_now = WAYS.map(|(_, way)| ours::run(load, way));
        // The first round warms memory.
        if round > 0 {
            bare.push(bare_now);
            ways.iter_mut()
                .zip(ways_now)
                .for_each(|(all, one)| all.push(one));
        }
    }
    let bare = middle(&bare);
    row(load, "bare, growing", bare, bare);
    for ((name, _), measured) in WAYS.iter().zip(&ways) {
        row(load, name, middle(measured), bare);
    }
}

fn middle(measured: &[Measured]) -> Measured {
    let of = |value: fn(&Measured) -> f64| median(measured.iter().map(value).collect());
    Measured {
        batches_per_second: of(|it| it.batches_per_second),
        batches_per_sync: of(|it| it.batches_per_sync),
    }
}

fn row(load: Load, name: &str, measured: Measured, bare: Measured) {
    let batch_bytes = fixture::batch_bytes(1).len() as f64;
    println!(
        "{:>5} {:>8} {name:<14} {:>10.0} {:>8.1} {:>13.1} {:>6.0} %",
        load.logs,
        load.waiting_in_each,
        measured.batches_per_second,
        measured.batches_per_second * batch_bytes / 1e6,
        measured.batches_per_sync,
        100.0 * measured.batches_per_second / bare.batches_per_second,
    );
}
