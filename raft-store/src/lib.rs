//! The durable half of a raft node: log, vote, committed index and snapshots, on RocksDB.
//!
//! It serves any openraft type config whose node ids and terms are numbers, and knows nothing of
//! what the entries mean: an [`AppCodec`] turns application data and nodes into bytes and back.
//!
//! What it promises, and where the promise is kept:
//! - one thread makes every write, in the order in which the calls arrived (module `writer`), so that
//!   an entry of a term never reaches the disk before the vote of that term;
//! - vote, append, truncate, purge and snapshot switch are synced before they are acknowledged;
//!   what waits together shares one sync;
//! - entries can be read as soon as `append` returns (module `log_view`);
//! - entries that are committed here never leave the log for a leader's others, and a database that
//!   holds less than was synced is not opened (module `synced_end_note`): whoever lost what it
//!   acknowledged must stop, not vote;
//! - the first failure of the disk is final: it is latched, and every later call fails with it
//!   ([`StoreFault`]);
//! - every stored byte has our own versioned format with a checksum (module `format`), never openraft's
//!   serde, so that a new openraft is never a migration of data.

mod app_codec;
mod database;
mod fault;
mod format;
mod log_reader;
mod log_store;
mod log_view;
mod options;
mod range;
mod shared;
mod snapshot_body;
mod snapshot_store;
mod snapshot_writer;
mod store;
mod stored_types;
mod synced_end_note;
mod write_op;
mod writer;
mod writer_end;

pub use app_codec::{AppCodec, CodecError};
pub use database::OpenError;
pub use fault::{StoreFault, WriteError};
pub use format::FormatError;
pub use log_reader::LogReader;
pub use log_store::LogStore;
pub use options::{Step, StoreOptions};
pub use range::{INDEX_MAX, TERM_MAX};
pub use snapshot_body::{SnapshotBody, SnapshotReadError};
pub use snapshot_store::{CurrentSnapshot, SnapshotStore};
pub use snapshot_writer::SnapshotWriter;
pub use store::RaftStore;
pub use stored_types::{
    StoredEntry, StoredLogId, StoredMembership, StoredMeta, StoredTypes, StoredVote,
};
