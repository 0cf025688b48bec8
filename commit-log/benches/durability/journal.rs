//! One journal for all partitions: everything that waits is one write and one sync.
//!
//! The segments get the same bytes, unsynced; that is a part of the price, so it is in the row.

use std::time::Instant;

use crate::aligned::Aligned;
use crate::load::{Load, Measured, histogram, micros};
use crate::segment::Segment;

/// Most bytes of one journal write.
const WRITE_BYTES_MAX: usize = 4 << 20;

pub(crate) fn run(mut segments: Vec<Segment>, mut journal: Segment, load: Load) -> Measured {
    let group = (WRITE_BYTES_MAX / load.append_bytes).clamp(1, segments.len());
    let write = Aligned::noise(group * load.append_bytes);
    let append = Aligned::noise(load.append_bytes);
    let mut waiting_since = vec![Instant::now(); segments.len()];
    load.measure(|end| {
        let mut latencies = histogram();
        let mut first = 0;
        while Instant::now() < end {
            journal.write(write.bytes());
            journal.sync();
            for place in first..first + group {
                let partition = place % segments.len();
                latencies.saturating_record(micros(waiting_since[partition]));
                segments[partition].write(append.bytes());
                waiting_since[partition] = Instant::now();
            }
            first = (first + group) % segments.len();
        }
        latencies
    })
}
