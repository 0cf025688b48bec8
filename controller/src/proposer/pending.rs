//! [`Pending`]: what is decided on top of the applied image and not committed yet. Pure.
//!
//! `W` is whatever waits for an answer; this type only keeps it beside what it waits for.

use std::collections::VecDeque;

use trimaran_metadata::{MetadataImage, MetadataRecord};
use trimaran_types::MetadataOffset;

/// An entry grows by further decisions up to here; a single decision may be larger.
const PACKED_RECORDS_MAX: usize = 2_000;

/// The records of one entry to be proposed.
#[derive(Debug)]
pub(super) struct Batch<W> {
    pub(super) base_offset: MetadataOffset,
    pub(super) records: Vec<MetadataRecord>,
    pub(super) waiters: Vec<W>,
}

/// Where a decision went.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Placed<W> {
    /// Into the batch that is being packed.
    InBatch,
    /// Behind the last entry in flight: it changes nothing itself.
    BehindInFlight,
    /// Nowhere: it changes nothing and nothing is pending.
    NothingPending(W),
    /// Refused: it contradicts the view. A fault of the decision's code.
    Contradiction(W, String),
}

pub(super) struct Pending<W> {
    pub(super) term: u64,
    view: MetadataImage,
    batch: Option<Batch<W>>,
    in_flight: VecDeque<Vec<W>>,
}

impl<W> Pending<W> {
    /// Begins on the applied image, with nothing in flight.
    pub(super) fn begin(term: u64, image: MetadataImage) -> Self {
        Self {
            term,
            view: image,
            batch: None,
            in_flight: VecDeque::new(),
        }
    }

    /// The image as it will be when all that is pending is committed.
    pub(super) fn view(&self) -> &MetadataImage {
        &self.view
    }

    /// Whether the batch must be taken before a further decision may join.
    pub(super) fn is_batch_full(&self) -> bool {
        self.batch
            .as_ref()
            .is_some_and(|batch| batch.records.len() >= PACKED_RECORDS_MAX)
    }

    /// Whether so many more records may join the batch that is being packed.
    pub(super) fn fits(&self, records: usize) -> bool {
        self.batch
            .as_ref()
            .is_none_or(|batch| batch.records.len().saturating_add(records) <= PACKED_RECORDS_MAX)
    }

    /// Places a decision that was made on [`Self::view`].
    pub(super) fn place(&mut self, records: Vec<MetadataRecord>, waiter: W) -> Placed<W> {
        if records.is_empty() {
            if let Some(batch) = &mut self.batch {
                batch.waiters.push(waiter);
                return Placed::InBatch;
            }
            return match self.in_flight.back_mut() {
                Some(waiters) => {
                    waiters.push(waiter);
                    Placed::BehindInFlight
                }
                None => Placed::NothingPending(waiter),
            };
        }
        let base_offset = self.view.position.next_offset;
        match self.view.replay_pending(&records) {
            Ok(view) => self.view = view,
            Err(error) => return Placed::Contradiction(waiter, error.to_string()),
        }
        let batch = self.batch.get_or_insert_with(|| Batch {
            base_offset,
            records: Vec::new(),
            waiters: Vec::new(),
        });
        batch.records.extend(records);
        batch.waiters.push(waiter);
        Placed::InBatch
    }

    /// The packed batch, to be proposed; its waiters stay with the caller until [`Self::sent`].
    pub(super) fn take_batch(&mut self) -> Option<Batch<W>> {
        self.batch.take()
    }

    /// Notes that an entry was handed to raft.
    pub(super) fn sent(&mut self, waiters: Vec<W>) {
        self.in_flight.push_back(waiters);
    }

    /// The oldest entry in flight has been resolved; returns who waits for it.
    pub(super) fn resolved(&mut self) -> Vec<W> {
        self.in_flight.pop_front().unwrap_or_default()
    }

    /// Entries in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }
}
