//! Any records in a batch whose checksum is right: what a hostile producer sends.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trimaran_fuzz::memory::within;
use trimaran_fuzz::with_good_checksum;
use trimaran_types::record_batch::RecordBatch;

fuzz_target!(|data: &[u8]| {
    let Some(bytes) = with_good_checksum(data) else {
        return;
    };
    within(data.len(), 4096, || {
        let Ok(batch) = RecordBatch::parse(bytes) else {
            return;
        };
        let headers = |count: usize| {
            assert!(count <= data.len(), "more headers than bytes");
        };
        if let Ok(records) = batch.records() {
            for record in records.take_while(Result::is_ok).flatten() {
                headers(record.headers.len());
            }
        }
        if let Ok(views) = batch.record_views() {
            views.take_while(Result::is_ok).for_each(drop);
        }
    });
});
