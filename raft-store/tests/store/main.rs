//! Tests of the whole store on a real directory; one binary, because each links RocksDB.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conformance;
mod kill;
mod latch;
mod lost_data;
mod reopen;
mod snapshot_switch;
mod support;
