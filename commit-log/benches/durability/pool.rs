//! A pool of threads that write and sync, one file at a time each.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use hdrhistogram::Histogram;

use crate::aligned::Aligned;
use crate::load::{Load, Measured, histogram, micros};
use crate::segment::Segment;

/// As many as the log's flusher has.
const THREADS: usize = 16;

/// A partition whose append waits, and since when.
struct Waiting {
    segment: Segment,
    since: Instant,
}

pub(crate) fn run(segments: Vec<Segment>, load: Load) -> Measured {
    let threads = THREADS.min(segments.len());
    let since = Instant::now();
    let waiting: VecDeque<Waiting> = segments
        .into_iter()
        .map(|segment| Waiting { segment, since })
        .collect();
    let waiting = Mutex::new(waiting);
    load.measure(|end| {
        thread::scope(|scope| {
            let threads: Vec<_> = (0..threads)
                .map(|_| scope.spawn(|| serve(&waiting, load, end)))
                .collect();
            let mut latencies = histogram();
            for thread in threads {
                let own = thread.join().expect("a thread ended well");
                latencies.add(own).expect("same bounds");
            }
            latencies
        })
    })
}

fn serve(waiting: &Mutex<VecDeque<Waiting>>, load: Load, end: Instant) -> Histogram<u64> {
    let append = Aligned::noise(load.append_bytes);
    let mut latencies = histogram();
    while Instant::now() < end {
        let next = waiting.lock().expect("no thread panicked").pop_front();
        let Some(mut next) = next else {
            break;
        };
        next.segment.write(append.bytes());
        next.segment.sync();
        latencies.saturating_record(micros(next.since));
        next.since = Instant::now();
        waiting.lock().expect("no thread panicked").push_back(next);
    }
    latencies
}
