//! Controllers in one process, over real sockets and real directories; one binary, because each
//! links RocksDB.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod brokers;
mod catch_up;
mod failover;
mod feed;
mod first_start;
mod forged;
mod lost_data;
mod support;
