//! Aborted transactions: which records a reader of committed ones must skip.
//!
//! Each segment may have a `.txnindex` file, made when the first transaction whose marker lies in
//! the segment is aborted. Kafka's bytes, 34 an entry, in the order of the markers.

mod entry;
mod find;

pub use entry::AbortedTransaction;
pub(crate) use find::aborted_between;
