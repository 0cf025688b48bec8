//! The stored formats: one file a record, each with layout, `encode` and `decode`.
//!
//! Every value is an [`envelope`]: version byte, body, checksum over key, version and body. All
//! numbers are big-endian. Version 1 is frozen; a change is a new version beside it.

mod entry;
mod envelope;
mod error;
#[cfg(test)]
mod golden_test;
mod keys;
mod log_id;
mod membership;
mod scanner;
mod snapshot_pointer;
mod synced_end;
mod vote;

pub(crate) use entry::{decode_entry, decode_entry_term, encode_entry};
pub(crate) use envelope::{open, seal};
pub use error::FormatError;
pub(crate) use keys::{
    META_COMMITTED, META_FORMAT, META_LAST_PURGED, META_SNAPSHOT, META_VOTE, log_key,
    parse_log_key, parse_snapshot_sequence, snapshot_chunk_key, snapshot_first_key,
};
pub(crate) use log_id::{decode_log_id, encode_log_id};
pub(crate) use snapshot_pointer::SnapshotPointer;
pub(crate) use synced_end::SyncedEnd;
pub(crate) use vote::{decode_vote, encode_vote};

/// The only version so far of every stored value. Frozen.
pub(crate) const VERSION: u8 = 1;
