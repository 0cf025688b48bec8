//! [`ProducerStates`]: all producers of one log.

use std::collections::HashMap;

use trimaran_types::record_batch::TransactionEnd;
use trimaran_types::{Offset, ProducerId, Timestamp};

use super::batch::{Content, ProducerBatch};
use super::entry::{ProducerEnd, ProducerEntry, RememberedBatch};
use super::transactions::Transactions;
use super::{BATCHES_REMEMBERED, PRODUCERS_MAX};
use crate::aborted::AbortedTransaction;

/// Producers that are due are looked for no more often than this
/// (`producer.id.expiration.check.interval.ms`), unless they expire sooner.
const EXPIRY_CHECK_MS: i64 = 10 * 60 * 1000;

/// The same when there are as many as there may be.
const EXPIRY_CHECK_FULL_MS: i64 = 1000;

/// All producers of one log: a function of its batches.
#[derive(Debug, Clone)]
pub(crate) struct ProducerStates {
    entries: HashMap<ProducerId, ProducerEntry>,
    transactions: Transactions,
    last_expiry: Option<Timestamp>,
    producers_max: usize,
}

impl Default for ProducerStates {
    fn default() -> Self {
        Self::with_max(PRODUCERS_MAX)
    }
}

impl ProducerStates {
    /// None yet, and never more than `producers_max`.
    pub(super) fn with_max(producers_max: usize) -> Self {
        Self {
            entries: HashMap::new(),
            transactions: Transactions::default(),
            last_expiry: None,
            producers_max,
        }
    }

    /// None yet, with room for as many as a snapshot has.
    pub(super) fn with_room(producers: usize) -> Self {
        Self {
            entries: HashMap::with_capacity(producers),
            ..Self::default()
        }
    }

    /// Whether nothing is known, so that a truncation changes nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.transactions.is_empty()
    }

    pub(super) fn get(&self, producer: ProducerId) -> Option<&ProducerEntry> {
        self.entries.get(&producer)
    }

    pub(super) fn has_room_for(&self, more: usize) -> bool {
        self.entries.len() + more <= self.producers_max
    }

    /// All producers, by id.
    pub(super) fn sorted(&self) -> Vec<(ProducerId, &ProducerEntry)> {
        let mut all: Vec<_> = self
            .entries
            .iter()
            .map(|(id, entry)| (*id, entry))
            .collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }

    /// Where every producer stands, by id.
    pub(crate) fn ends(&self) -> Vec<ProducerEnd> {
        let end = |(producer, entry): (ProducerId, &ProducerEntry)| ProducerEnd {
            producer,
            epoch: entry.epoch,
            last_offset: entry.batches.back().map(|batch| batch.last_offset),
            last_sequence: entry.last_sequence(),
        };
        self.sorted().into_iter().map(end).collect()
    }

    /// Puts in a producer that a snapshot file has.
    pub(super) fn restore(&mut self, producer: ProducerId, entry: ProducerEntry) {
        if let Some(first) = entry.transaction_first {
            self.transactions.begin(first);
        }
        self.entries.insert(producer, entry);
    }

    /// Takes note of a batch that is in the log. `now` is `None` for what an earlier process wrote.
    /// Tells of the transaction that the batch aborted, if it did.
    pub(crate) fn apply(
        &mut self,
        batch: &ProducerBatch,
        now: Option<Timestamp>,
    ) -> Option<AbortedTransaction> {
        if matches!(batch.content, Content::Nothing) {
            return None;
        }
        if !self.entries.contains_key(&batch.producer) && !self.has_room_for(1) {
            self.forget_one();
        }
        let entry = self
            .entries
            .entry(batch.producer)
            .or_insert_with(|| ProducerEntry::new(batch.epoch));
        let open = entry.transaction_first;
        entry.note(batch);
        entry.last_seen = now;
        match (batch.content, open, entry.transaction_first) {
            (Content::Data { .. }, None, Some(first)) => {
                self.transactions.begin(first);
                None
            }
            // A marker without records ends nothing that readers could see.
            (Content::End(marker), Some(first), _) => {
                let last = batch.last_offset;
                let last_stable = self.transactions.end(first, last);
                (marker.end == TransactionEnd::Abort).then_some(AbortedTransaction {
                    producer: batch.producer,
                    first,
                    last,
                    last_stable,
                })
            }
            _ => None,
        }
    }

    /// Makes room where the log holds more producers than a leader would have let in: the one
    /// without a transaction whose last batch is the oldest goes.
    fn forget_one(&mut self) {
        let oldest = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.transaction_first.is_none())
            .min_by_key(|(id, entry)| (entry.batches.back().map(|b| b.last_offset), **id))
            .map(|(id, _)| *id);
        if let Some(oldest) = oldest {
            self.entries.remove(&oldest);
        }
    }

    /// Forgets producers that were not heard of for `expiration_ms` (KIP-854), every ten minutes or
    /// `expiration_ms` at most, every second when there are as many as there may be.
    ///
    /// What counts is when this process saw their last batch: the batch's own timestamp is the
    /// producer's, and may be years old when history is loaded. Producers that an earlier process
    /// saw count from the first look. When there is no room, old timestamps count as well, so that
    /// restarts cannot keep everyone for ever.
    pub(crate) fn expire(&mut self, now: Timestamp, expiration_ms: u64) {
        let is_full = self.entries.len() >= self.producers_max;
        let looked_ms = self
            .last_expiry
            .map_or(i64::MAX, |at| now.0.saturating_sub(at.0));
        let every_ms = if is_full {
            EXPIRY_CHECK_FULL_MS
        } else {
            EXPIRY_CHECK_MS.min(i64::try_from(expiration_ms).unwrap_or(i64::MAX))
        };
        if self.entries.is_empty() || (0..every_ms).contains(&looked_ms) {
            return;
        }
        self.last_expiry = Some(now);
        let is_old = |at: Timestamp| {
            u64::try_from(now.0.saturating_sub(at.0)).is_ok_and(|age_ms| age_ms >= expiration_ms)
        };
        self.entries.retain(|_, entry| {
            let seen = *entry.last_seen.get_or_insert(now);
            entry.transaction_first.is_some() || !is_old(seen)
        });
        if self.entries.len() >= self.producers_max {
            self.entries.retain(|_, entry| {
                entry.transaction_first.is_some() || !is_old(entry.last_timestamp)
            });
        }
    }

    /// See [`Transactions::first_unstable`].
    pub(crate) fn first_unstable(&self) -> Option<Offset> {
        self.transactions.first_unstable()
    }

    /// See [`Transactions::forget_ended_before`].
    pub(crate) fn forget_ended_before(&mut self, high_watermark: Offset) {
        self.transactions.forget_ended_before(high_watermark);
    }

    /// Where to look in the log for batches of the producer that a snapshot file did not have, if
    /// one of them may be what `batch` repeats: before this offset.
    pub(crate) fn look_back_before(&self, batch: &ProducerBatch) -> Option<Offset> {
        let Content::Data { first, .. } = batch.content else {
            return None;
        };
        let entry = self.entries.get(&batch.producer)?;
        let oldest = entry.batches.front()?;
        let last = first.plus(batch.offset_delta());
        let is_known = entry.find(first, last).is_some()
            || entry.last_sequence().is_followed_by(first)
            || entry.epoch != batch.epoch;
        (entry.may_have_more && !is_known).then(|| oldest.first_offset())
    }

    /// Puts in front what was found in the log: batches of the producer, oldest first, that lie
    /// before those that are remembered. It is not looked again.
    pub(crate) fn looked_back(&mut self, producer: ProducerId, found: &[ProducerBatch]) {
        let Some(entry) = self.entries.get_mut(&producer) else {
            return;
        };
        entry.may_have_more = false;
        for batch in found
            .iter()
            .rev()
            .filter(|batch| batch.epoch == entry.epoch)
        {
            let Content::Data { first, .. } = batch.content else {
                continue;
            };
            let joins = entry.batches.front().is_some_and(|front| {
                first
                    .plus(batch.offset_delta())
                    .is_followed_by(front.first())
            });
            if entry.batches.len() == BATCHES_REMEMBERED || !joins {
                return;
            }
            let offset_delta = batch.offset_delta();
            entry.batches.push_front(RememberedBatch {
                last: first.plus(offset_delta),
                last_offset: batch.last_offset,
                offset_delta,
                timestamp: batch.timestamp,
            });
        }
    }

    /// The sequence that the producer's next batch must start with; for messages and tests.
    #[cfg(test)]
    pub(super) fn last_sequence(&self, producer: ProducerId) -> Option<super::Sequence> {
        self.get(producer).map(ProducerEntry::last_sequence)
    }
}
