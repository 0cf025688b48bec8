//! Aborted transactions: which records a reader of committed ones must skip.
//!
//! Each segment may have a `.txnindex` file, made when the first transaction whose marker lies in
//! the segment is aborted. Kafka's bytes, 34 an entry, in the order of the markers. What such a file
//! holds is noted apart from it, with a checksum.

mod entry;
mod find;
mod sums;

pub use entry::AbortedTransaction;
pub(crate) use find::aborted_between;
pub(crate) use sums::{AbortedSum, AbortedSums, AbortedTail};
pub(crate) use sums::{format as format_sums, parse as parse_sums};
