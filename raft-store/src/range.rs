//! The range of terms and indexes that a store takes.
//!
//! Raft counts on from what the store holds. A number at the end of the range would overflow there,
//! at each start again; half of the range is more than a cluster can ever use.

/// Highest term of a vote or an entry.
pub const TERM_MAX: u64 = u64::MAX / 2;

/// Highest index of an entry.
pub const INDEX_MAX: u64 = u64::MAX / 2;
