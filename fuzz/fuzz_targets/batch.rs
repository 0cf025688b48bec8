//! Any bytes, taken for batches as they come from a socket or a file. Nothing is held but the bytes
//! themselves; the constant is for the text of an error.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use trimaran_fuzz::memory::within;
use trimaran_types::record_batch::{RecordBatch, split};

const ERROR_BYTES: usize = 1024;

fuzz_target!(|data: &[u8]| {
    let bytes = Bytes::copy_from_slice(data);
    within(data.len(), ERROR_BYTES, || {
        for batch in split(bytes.clone()) {
            let Ok(batch) = batch else {
                break;
            };
            if let Ok(records) = batch.record_views() {
                records.take_while(Result::is_ok).for_each(drop);
            }
        }
        let _ = RecordBatch::parse(bytes.clone());
        let _ = RecordBatch::verify_front(&bytes);
        0
    });
});
