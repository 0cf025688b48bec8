//! The keys of the three column families.
//!
//! `meta`: the names below. `log`: index u64. `snapshot`: sequence u64, chunk number u32.
//! Numbers are big-endian, so that the database's order is theirs.

use super::FormatError;
use super::scanner::Scanner;

/// Format marker of the whole store.
pub(crate) const META_FORMAT: &[u8] = b"format";
/// The vote.
pub(crate) const META_VOTE: &[u8] = b"vote";
/// The committed log id, a hint.
pub(crate) const META_COMMITTED: &[u8] = b"committed";
/// The log id up to which the log was purged.
pub(crate) const META_LAST_PURGED: &[u8] = b"last-purged";
/// The pointer to the current snapshot.
pub(crate) const META_SNAPSHOT: &[u8] = b"snapshot";

pub(crate) fn log_key(index: u64) -> [u8; 8] {
    index.to_be_bytes()
}

pub(crate) fn parse_log_key(key: &[u8]) -> Result<u64, FormatError> {
    let mut scanner = Scanner::new(key);
    let index = scanner.number64()?;
    scanner.end()?;
    Ok(index)
}

pub(crate) fn snapshot_chunk_key(sequence: u64, number: u32) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&sequence.to_be_bytes());
    key[8..].copy_from_slice(&number.to_be_bytes());
    key
}

/// The first key that a snapshot of this sequence can have; the end of the one before.
pub(crate) fn snapshot_first_key(sequence: u64) -> [u8; 12] {
    snapshot_chunk_key(sequence, 0)
}

pub(crate) fn parse_snapshot_sequence(key: &[u8]) -> Result<u64, FormatError> {
    let mut scanner = Scanner::new(key);
    let sequence = scanner.number64()?;
    scanner.number32()?;
    scanner.end()?;
    Ok(sequence)
}
