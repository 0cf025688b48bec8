//! [`CleanInputs`]: what a pass must know about producers and transactions.

use std::collections::HashMap;

use trimaran_types::ProducerId;
use trimaran_types::record_batch::BatchHeader;

use crate::aborted::AbortedTransaction;
use crate::producers::ProducerEnd;

/// What a pass must know about producers and transactions of the log.
#[derive(Debug, Clone, Default)]
pub(super) struct CleanInputs {
    /// Where each live producer stands, and where it stood at the end of the plan if that differs.
    ends: HashMap<ProducerId, [Option<ProducerEnd>; 2]>,
    aborted: HashMap<ProducerId, Vec<AbortedTransaction>>,
}

impl CleanInputs {
    /// Of these live producers, of producers as they stood at the end of the plan, and of these
    /// aborted transactions.
    #[must_use]
    pub(super) fn new(
        live: impl IntoIterator<Item = ProducerEnd>,
        at_end: impl IntoIterator<Item = ProducerEnd>,
        aborted: impl IntoIterator<Item = AbortedTransaction>,
    ) -> Self {
        let mut by_producer: HashMap<ProducerId, Vec<AbortedTransaction>> = HashMap::new();
        for range in aborted {
            by_producer.entry(range.producer).or_default().push(range);
        }
        by_producer
            .values_mut()
            .for_each(|ranges| ranges.sort_by_key(|range| range.first));
        let mut ends: HashMap<_, _> = live
            .into_iter()
            .map(|end| (end.producer, [Some(end), None]))
            .collect();
        for end in at_end {
            if let Some([_, before]) = ends.get_mut(&end.producer) {
                *before = Some(end);
            }
        }
        Self {
            ends,
            aborted: by_producer,
        }
    }

    /// Whether the batch must stay, empty perhaps, for its producer's state to survive.
    pub(super) fn is_producers_last(&self, header: &BatchHeader) -> bool {
        let Some((producer, ends)) = header
            .producer
            .and_then(|producer| Some((producer, self.ends.get(&producer.id)?)))
        else {
            return false;
        };
        ends.iter().flatten().any(|end| match end.last_offset {
            Some(last) => header.last_offset() == last,
            None => header.attributes.is_control() && producer.epoch == end.epoch,
        })
    }

    /// Whether the batch's records were aborted.
    pub(super) fn is_aborted(&self, header: &BatchHeader) -> bool {
        if !header.attributes.is_transactional() || header.attributes.is_control() {
            return false;
        }
        let ranges = header
            .producer
            .and_then(|producer| self.aborted.get(&producer.id));
        ranges.is_some_and(|ranges| {
            // Transactions of one producer follow each other.
            let at = ranges.partition_point(|range| range.first <= header.base_offset);
            at > 0 && header.base_offset <= ranges[at - 1].last
        })
    }
}
