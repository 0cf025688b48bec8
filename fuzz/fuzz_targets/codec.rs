//! Any bytes as a block of compressed records, in each codec, and blocks that were good and are damaged.
//!
//! Two bounds, since what comes out may be a hundred times what goes in, and a thousand times where it
//! is not much. Where four times the block may come out, all that is held is at most eight times the
//! block: what came out, the piece it has grown from, and nothing that a block merely claims. Under the
//! limits of production it is that and three times what came out; what stopped half way may have come
//! to the limit.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trimaran_commit_log::{Codec, DecompressLimits, compress, decompress};
use trimaran_fuzz::Draws;
use trimaran_fuzz::memory::within;
use trimaran_types::Timestamp;
use trimaran_types::record_batch::{BatchBuilder, BatchHeader, RecordBatch, TimestampType};

/// The state of a decoder: some 92 KiB were measured for gzip; one block of lz4, of 64 KiB.
const DECODER_BYTES: usize = 112 * 1024;
/// What may come out of any block, where the factor is to decide.
const SMALL_BYTES: usize = 4096;

/// What holds both pieces of an output that grows twofold.
const OUTPUT_RATIO: usize = 3;

/// What is compressed here, before it is repeated.
const PLAIN_BYTES_MAX: usize = 64 * 1024;

const CODECS: [Codec; 4] = [
    Codec::Gzip { level: 6 },
    Codec::Snappy,
    Codec::Lz4,
    Codec::Zstd { level: 3 },
];

fn batch_of(value: &[u8]) -> Option<RecordBatch> {
    let mut builder = BatchBuilder::new(TimestampType::CreateTime);
    builder.push(Timestamp(1), None, Some(value), &[]).ok()?;
    builder.build()
}

/// A block as the codec writes it, with some of its bytes changed after that.
fn damaged(codec: Codec, draws: &mut Draws<'_>) -> Option<Vec<u8>> {
    let changes = [(); 2].map(|()| (draws.short(), draws.byte()));
    let repeated = usize::from(draws.byte() % 64) + 1;
    let plain = batch_of(&draws.bytes(PLAIN_BYTES_MAX).repeat(repeated))?;
    let limits = DecompressLimits::default();
    let packed = compress(&plain, codec, &limits).ok()?;
    let opened = decompress(&packed, &limits).expect("it was compressed here");
    assert_eq!(opened.bytes(), &plain.record_bytes());
    let mut block = packed.record_bytes().to_vec();
    for (at, change) in changes {
        if let Some(byte) = block.get_mut(at) {
            *byte ^= change;
        }
    }
    Some(block)
}

fn open(batch: &RecordBatch, limits: &DecompressLimits) -> Option<usize> {
    let bytes_max = limits.bytes_max_of(batch.record_bytes().len());
    let plain = decompress(batch, limits).ok()?;
    assert!(plain.bytes().len() <= bytes_max);
    plain.views().take_while(Result::is_ok).for_each(drop);
    Some(plain.bytes().len())
}

fuzz_target!(|data: &[u8]| {
    let mut draws = Draws::new(data);
    let choice = draws.byte();
    let codec = CODECS[usize::from(choice & 3)];
    let block = if choice & 4 == 4 {
        damaged(codec, &mut draws)
    } else {
        Some(draws.bytes(usize::MAX).to_vec())
    };
    let template = batch_of(&[]).expect("one record");
    let header = BatchHeader {
        attributes: template
            .header()
            .attributes
            .with_compression(codec.compression()),
        last_offset_delta: 99,
        record_count: 100,
        ..*template.header()
    };
    let Some(Ok(batch)) = block.map(|block| RecordBatch::assemble(&header, &block)) else {
        return;
    };
    let block_bytes = batch.record_bytes().len();
    let limits = DecompressLimits {
        ratio_max: 4,
        any_ratio_bytes_max: SMALL_BYTES,
        ..DecompressLimits::default()
    };
    let fixed_bytes = SMALL_BYTES * OUTPUT_RATIO + DECODER_BYTES;
    within(block_bytes, fixed_bytes, || {
        open(&batch, &limits);
        0
    });
    if choice & 8 == 8 {
        let limits = DecompressLimits::default();
        within(block_bytes, DECODER_BYTES, || {
            let came_out = open(&batch, &limits);
            came_out.unwrap_or_else(|| limits.bytes_max_of(block_bytes)) * OUTPUT_RATIO
        });
    }
});
