//! [`ProducerEntry`]: one producer, as one log knows it.

use std::collections::VecDeque;

use trimaran_types::record_batch::EndMarker;
use trimaran_types::{Offset, ProducerEpoch, ProducerId, Timestamp};

use super::batch::{Content, ProducerBatch};
use super::{BATCHES_REMEMBERED, Sequence};

/// A batch that is in the log: the answer to its repetition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RememberedBatch {
    pub last: Sequence,
    pub last_offset: Offset,
    pub offset_delta: u32,
    /// The largest of its records.
    pub timestamp: Timestamp,
}

impl RememberedBatch {
    pub(crate) const fn first(&self) -> Sequence {
        self.last.minus(self.offset_delta)
    }

    pub(crate) fn first_offset(&self) -> Offset {
        Offset(
            self.last_offset
                .0
                .saturating_sub(i64::from(self.offset_delta)),
        )
    }
}

/// Where a producer stands in a log: what a cleaner must keep of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerEnd {
    /// The producer.
    pub producer: ProducerId,
    /// Its latest epoch.
    pub epoch: ProducerEpoch,
    /// The last offset of its last batch of records in that epoch, if it has sent one.
    pub last_offset: Option<Offset>,
    /// The last sequence number in that epoch; [`Sequence::NONE`] without a batch.
    pub last_sequence: Sequence,
}

/// One producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProducerEntry {
    pub epoch: ProducerEpoch,
    /// The last batches of the epoch, oldest first; never more than [`BATCHES_REMEMBERED`].
    pub batches: VecDeque<RememberedBatch>,
    /// Of the coordinator that sent the last marker.
    pub coordinator_epoch: Option<i32>,
    /// Of the last batch or marker.
    pub last_timestamp: Timestamp,
    /// Where the open transaction began.
    pub transaction_first: Option<Offset>,
    /// When this process saw the last batch, by the wall clock; `None` when an earlier one did.
    pub last_seen: Option<Timestamp>,
    /// Whether the log may hold batches of this epoch that are not remembered, though fewer than
    /// [`BATCHES_REMEMBERED`] are: a snapshot file has only the last one.
    pub may_have_more: bool,
}

impl ProducerEntry {
    /// A producer that was never heard of, before its first batch.
    pub(crate) const fn new(epoch: ProducerEpoch) -> Self {
        Self {
            epoch,
            batches: VecDeque::new(),
            coordinator_epoch: None,
            last_timestamp: Timestamp(-1),
            transaction_first: None,
            last_seen: None,
            may_have_more: false,
        }
    }

    /// The last sequence number of the epoch.
    pub(crate) fn last_sequence(&self) -> Sequence {
        self.batches
            .back()
            .map_or(Sequence::NONE, |batch| batch.last)
    }

    /// The remembered batch with exactly these numbers.
    pub(crate) fn find(&self, first: Sequence, last: Sequence) -> Option<RememberedBatch> {
        let same = |batch: &&RememberedBatch| batch.first() == first && batch.last == last;
        self.batches.iter().find(same).copied()
    }

    /// Takes note of a batch that is in the log.
    pub(crate) fn note(&mut self, batch: &ProducerBatch) {
        match batch.content {
            Content::Data {
                first,
                transactional,
            } => {
                self.enter(batch.epoch);
                if self.batches.len() == BATCHES_REMEMBERED {
                    self.batches.pop_front();
                    self.may_have_more = false;
                }
                let offset_delta = batch.offset_delta();
                self.batches.push_back(RememberedBatch {
                    last: first.plus(offset_delta),
                    last_offset: batch.last_offset,
                    offset_delta,
                    timestamp: batch.timestamp,
                });
                self.last_timestamp = batch.timestamp;
                if transactional && self.transaction_first.is_none() {
                    self.transaction_first = Some(batch.first_offset);
                }
            }
            Content::End(EndMarker {
                coordinator_epoch,
                timestamp,
                ..
            }) => {
                self.enter(batch.epoch);
                self.coordinator_epoch = Some(coordinator_epoch);
                self.last_timestamp = timestamp;
                self.transaction_first = None;
            }
            Content::Nothing => {}
        }
    }

    fn enter(&mut self, epoch: ProducerEpoch) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.batches.clear();
            self.may_have_more = false;
        }
    }
}
