//! [`Transactions`]: which end-transaction markers have nothing left to end.
//!
//! A marker may go once no batch of its transaction is left in the log, after the same delay as a
//! tombstone (KIP-534).

use std::collections::HashSet;

use trimaran_types::ProducerId;
use trimaran_types::record_batch::BatchHeader;

/// Producers with a batch of an open transaction, on the way through a log. Bounded by the
/// producers that the log's own state is bounded by.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    open: HashSet<ProducerId>,
}

impl Transactions {
    /// Takes note of the next batch of the log. Whether it is a marker of a transaction of which
    /// nothing else is left.
    pub(super) fn is_lone_marker(&mut self, header: &BatchHeader) -> bool {
        let Some(producer) = header.producer else {
            return false;
        };
        if header.attributes.is_control() {
            return !self.open.remove(&producer.id);
        }
        if header.attributes.is_transactional() {
            self.open.insert(producer.id);
        }
        false
    }
}
