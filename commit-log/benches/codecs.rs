//! What each codec costs: `cargo bench -p trimaran-commit-log --bench codecs`.
//!
//! MB/s of plain records, and how that compares with copying them, measured in turn in the same run;
//! the median of the rounds counts. Absolute numbers mean little on another machine.

use std::hint::black_box;
use std::time::Instant;

use trimaran_commit_log::{Codec, DecompressLimits, compress, decompress};
use trimaran_types::Timestamp;
use trimaran_types::record_batch::{BatchBuilder, RecordBatch, TimestampType};

const ROUNDS: usize = 9;
const RECORDS: u64 = 1_000;

/// Events as services send them: the same fields, values that differ.
fn json_batch() -> RecordBatch {
    let mut builder = BatchBuilder::new(TimestampType::CreateTime);
    let mut draw = 88_172_645_463_325_252_u64;
    for number in 0..RECORDS {
        draw ^= draw << 13;
        draw ^= draw >> 7;
        draw ^= draw << 17;
        let text = format!(
            "{{\"id\":{number},\"user\":\"u-{:x}\",\"action\":\"page_view\",\"path\":\"/items/{}\",\
             \"amount\":{}.{:02},\"session\":\"{draw:016x}\",\"region\":\"eu-central-1\"}}",
            draw % 50_000,
            draw % 977,
            draw % 1_000,
            draw % 100,
        );
        builder
            .push(
                Timestamp(1_700_000_000_000),
                None,
                Some(text.as_bytes()),
                &[],
            )
            .expect("fits a batch");
    }
    builder.build().expect("not empty")
}

/// Seconds of one call.
fn timed<T>(work: impl FnOnce() -> T) -> f64 {
    let start = Instant::now();
    black_box(work());
    start.elapsed().as_secs_f64()
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

fn main() {
    let plain = json_batch();
    let bytes = plain.bytes().len();
    let limits = DecompressLimits::default();
    println!(
        "{:<10} {:>7} {:>15} {:>9} {:>17} {:>9}",
        "", "ratio", "compress MB/s", "of copy", "decompress MB/s", "of copy"
    );
    for (name, codec) in [
        ("gzip 1", Codec::Gzip { level: 1 }),
        ("gzip 6", Codec::Gzip { level: 6 }),
        ("snappy", Codec::Snappy),
        ("lz4", Codec::Lz4),
        ("zstd 1", Codec::Zstd { level: 1 }),
        ("zstd 3", Codec::Zstd { level: 3 }),
    ] {
        let packed = compress(&plain, codec, &limits).expect("compresses");
        let (mut copies, mut inward, mut outward) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            copies.push(timed(|| black_box(plain.bytes()).to_vec()));
            inward.push(timed(|| compress(&plain, codec, &limits)));
            outward.push(timed(|| decompress(&packed, &limits)));
        }
        let (copy, inward, outward) = (median(copies), median(inward), median(outward));
        let rate = |seconds: f64| bytes as f64 / seconds / 1e6;
        println!(
            "{name:<10} {:>7.2} {:>15.0} {:>7.1} % {:>17.0} {:>7.1} %",
            bytes as f64 / packed.bytes().len() as f64,
            rate(inward),
            100.0 * copy / inward,
            rate(outward),
            100.0 * copy / outward,
        );
    }
}
