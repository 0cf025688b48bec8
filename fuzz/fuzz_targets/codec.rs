//! Any compressed records, in each codec, in a batch whose checksum is right.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trimaran_commit_log::{DecompressLimits, decompress};
use trimaran_fuzz::memory::within;
use trimaran_fuzz::with_good_checksum;
use trimaran_types::record_batch::RecordBatch;

/// What decoders hold beside their output: the largest block of the LZ4 frame format, twice.
const DECODER_BYTES: usize = 9 << 20;

fuzz_target!(|data: &[u8]| {
    let Some((codec, data)) = data.split_first() else {
        return;
    };
    let mut data = data.to_vec();
    if data.len() > 22 {
        // The low bits of the attributes name the codec.
        data[22] = data[22] & !7 | codec % 5;
    }
    let Some(bytes) = with_good_checksum(&data) else {
        return;
    };
    let limits = DecompressLimits {
        bytes_max: 1 << 20,
        ratio_max: 4,
        any_ratio_bytes_max: 4096,
    };
    within(data.len(), DECODER_BYTES, || {
        let Ok(batch) = RecordBatch::parse(bytes) else {
            return;
        };
        let bytes_max = limits.bytes_max_of(batch.bytes().len());
        if let Ok(plain) = decompress(&batch, &limits) {
            assert!(plain.bytes().len() <= bytes_max);
            plain.views().take_while(Result::is_ok).for_each(drop);
        }
    });
});
