//! Any records in a batch whose checksum is right: what a hostile producer sends.
//!
//! Borrowed records take nothing. One that is shared has a list of its headers: two bytes of a batch
//! become one entry, so what bounds it is how many headers a record may have.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trimaran_fuzz::memory::within;
use trimaran_fuzz::with_good_checksum;
use trimaran_types::limits::RECORD_HEADERS_MAX;
use trimaran_types::record_batch::{RecordBatch, RecordHeader};

const ERROR_BYTES: usize = 1024;
const HEADERS_BYTES: usize = RECORD_HEADERS_MAX * size_of::<RecordHeader>();

fuzz_target!(|data: &[u8]| {
    let Some(bytes) = with_good_checksum(data) else {
        return;
    };
    let Ok(batch) = RecordBatch::parse(bytes) else {
        return;
    };
    within(data.len(), ERROR_BYTES, || {
        if let Ok(views) = batch.record_views() {
            for view in views.map_while(Result::ok) {
                view.headers.for_each(drop);
            }
        }
        0
    });
    within(data.len(), ERROR_BYTES + HEADERS_BYTES, || {
        if let Ok(records) = batch.records() {
            for record in records.map_while(Result::ok) {
                assert!(
                    record.headers.len() <= data.len() / 2,
                    "more than there are"
                );
            }
        }
        0
    });
});
