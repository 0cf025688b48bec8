//! [`Known`]: what the batches of a log say about its producers, by a second reading of the rules
//! (KIP-98): no snapshot, no index, nothing but the records.

use std::collections::BTreeMap;

use trimaran_commit_log::{Log, Sequence};
use trimaran_types::Offset;
use trimaran_types::record_batch::RecordBatch;

/// As many batches of a producer are recognised when they come again.
pub(crate) const REMEMBERED: usize = 5;

/// One producer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Producer {
    pub(crate) epoch: i16,
    /// Base, last and first sequence of the batches of this epoch.
    pub(crate) batches: Vec<(i64, i64, i32)>,
    /// Where its open transaction began.
    pub(crate) open: Option<i64>,
}

impl Producer {
    fn last_sequence(&self) -> Sequence {
        let last = self.batches.last();
        last.map_or(Sequence::NONE, |(base, last, first)| {
            Sequence(first + i32::try_from(last - base).unwrap())
        })
    }

    /// The sequence that its next batch begins with.
    pub(crate) fn next_sequence(&self) -> i32 {
        self.last_sequence().0 + 1
    }
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) producers: BTreeMap<i64, Producer>,
    /// Producer, first offset, marker, and the last stable offset after it.
    pub(crate) aborted: Vec<[i64; 4]>,
    pub(crate) committed: usize,
}

impl Known {
    pub(crate) fn of<'a>(batches: impl IntoIterator<Item = &'a RecordBatch>) -> Self {
        let mut known = Self::default();
        for batch in batches {
            known.push(batch);
        }
        known
    }

    fn push(&mut self, batch: &RecordBatch) {
        let header = batch.header();
        let Some(sent) = header.producer else {
            return;
        };
        let (base, last) = (header.base_offset.0, header.last_offset().0);
        let producer = self.producers.entry(sent.id.0).or_default();
        if producer.epoch != sent.epoch.0 {
            producer.epoch = sent.epoch.0;
            producer.batches.clear();
        }
        if !header.attributes.is_control() {
            producer.batches.push((base, last, sent.base_sequence));
            if header.attributes.is_transactional() {
                producer.open.get_or_insert(base);
            }
            return;
        }
        let Some(first) = producer.open.take() else {
            return;
        };
        // A marker's key is its version and its kind, 0 for an abort.
        let record = batch.records().unwrap().next().unwrap().unwrap();
        if record.key.unwrap()[..] == [0, 0, 0, 0] {
            let stable = self.first_open().unwrap_or(last + 1);
            self.aborted.push([sent.id.0, first, last, stable]);
        } else {
            self.committed += 1;
        }
    }

    fn first_open(&self) -> Option<i64> {
        self.producers.values().filter_map(|it| it.open).min()
    }

    /// Compares what the log knows.
    pub(crate) fn check(&self, log: &mut Log) -> Result<(), String> {
        let ends: Vec<_> = log
            .producer_ends()
            .iter()
            .map(|end| {
                let last = end.last_offset.map(|at| at.0);
                (end.producer.0, end.epoch.0, last, end.last_sequence)
            })
            .collect();
        let expected: Vec<_> = self
            .producers
            .iter()
            .map(|(id, it)| {
                let last = it.batches.last().map(|batch| batch.1);
                (*id, it.epoch, last, it.last_sequence())
            })
            .collect();
        if ends != expected {
            return Err(format!("producers {ends:?}, the records say {expected:?}"));
        }
        let end = log.log_end();
        // All that is there is committed: transactions that have ended hold nobody back.
        log.high_watermark_passed(end);
        let unstable = log.first_unstable_offset().map(|at| at.0);
        if unstable != self.first_open() {
            let expected = self.first_open();
            return Err(format!(
                "unstable at {unstable:?}, the records say {expected:?}"
            ));
        }
        for (from, before) in [(0, end.0), (end.0 / 3, end.0 / 2), (end.0 / 2, end.0)] {
            let found: Vec<_> = log
                .reader()
                .aborted_transactions(Offset(from), Offset(before))
                .map_err(|error| format!("aborted transactions: {error}"))?
                .iter()
                .map(|it| [it.producer.0, it.first.0, it.last.0, it.last_stable.0])
                .collect();
            let touches = |it: &&[i64; 4]| it[2] >= from && it[1] < before;
            let expected: Vec<_> = self.aborted.iter().filter(touches).copied().collect();
            if found != expected {
                return Err(format!(
                    "aborted in {from}..{before}: {found:?}, the records say {expected:?}"
                ));
            }
        }
        Ok(())
    }
}
