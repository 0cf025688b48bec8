//! [`Model`]: what a log must hold, as a plain `Vec` of batches, and how operations change it. Knows no log.

use bytes::Bytes;
use proptest::sample::Index;
use trimaran_commit_log::{DecompressLimits, decompress};
use trimaran_types::record_batch::{
    BatchBuilder, BatchProducer, Compression, RecordBatch, TimestampType,
};
use trimaran_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

use super::operation::BatchSpec;
use crate::clean_rig::packed;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) offset: i64,
    pub(super) timestamp: i64,
    pub(super) key: Bytes,
    pub(super) value: Option<Bytes>,
}

#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub(super) base: i64,
    pub(super) last: i64,
    pub(super) epoch: i32,
    /// Its producer, and its first sequence.
    pub(super) producer: Option<(i64, i32)>,
    pub(super) codec: Compression,
    /// From when on its tombstones may go.
    pub(super) horizon: Option<i64>,
    pub(super) records: Vec<Record>,
    /// As they are in the file.
    pub(super) bytes: Bytes,
    /// By the clock of the log that has it.
    pub(super) appended_at: i64,
}

impl Batch {
    /// What a log gave.
    pub(super) fn read(batch: &RecordBatch) -> Self {
        let header = batch.header();
        let plain = decompress(batch, &DecompressLimits::default()).unwrap();
        let records = plain.records().map(|record| {
            let record = record.unwrap();
            Record {
                offset: record.offset.0,
                timestamp: record.timestamp.0,
                key: record.key.unwrap(),
                value: record.value,
            }
        });
        let has_horizon = header.attributes.has_delete_horizon();
        let producer = header.producer;
        Self {
            base: header.base_offset.0,
            last: header.last_offset().0,
            epoch: header.leader_epoch.unwrap().0,
            producer: producer.map(|producer| (producer.id.0, producer.base_sequence)),
            codec: header.attributes.compression(),
            horizon: has_horizon.then_some(header.base_timestamp.0),
            records: records.collect(),
            bytes: batch.bytes().clone(),
            appended_at: 0,
        }
    }

    pub(super) const fn end(&self) -> i64 {
        self.last + 1
    }

    pub(super) fn has_tombstone(&self) -> bool {
        self.records.iter().any(|record| record.value.is_none())
    }
}

/// A batch that a producer has in the log, or had before a deletion.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub(super) producer: i64,
    pub(super) sequence: i32,
    pub(super) base: i64,
    pub(super) last: i64,
}

impl Sent {
    pub(super) fn count(&self) -> i32 {
        i32::try_from(self.last - self.base + 1).unwrap()
    }
}

/// What the log holds. `durable_start ≤ log_start` and `committed ≤ log_end`. The start lies beyond what is committed only
/// in a copy that begins with the batch in which its leader starts.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    /// From the durable start on.
    pub(super) batches: Vec<Batch>,
    pub(super) log_start: i64,
    /// Where it started at the latest: of epochs that began before, less may be known.
    pub(super) latest_start: i64,
    /// Where the log starts again after a stop.
    pub(super) durable_start: i64,
    pub(super) log_end: i64,
    /// The high watermark: the end of a batch, below which nothing is ever cut.
    pub(super) committed: i64,
    /// An epoch that has no record yet, and where it begins.
    pub(super) assigned: Option<(i32, i64)>,
    /// The latest one that was ever given out.
    pub(super) epoch: i32,
    pub(super) sent: Vec<Sent>,
    made: u32,
}

impl Model {
    /// An offset from `low` to `high`, both included.
    pub(super) fn place(index: &Index, low: i64, high: i64) -> i64 {
        let span = usize::try_from(high.max(low) - low + 1).unwrap();
        low + i64::try_from(index.index(span)).unwrap()
    }

    /// What a reader is shown.
    pub(super) fn visible(&self) -> &[Batch] {
        let below = |batch: &Batch| batch.last < self.log_start;
        &self.batches[self.batches.partition_point(below)..]
    }

    /// Timestamp and offset of each record that a reader below `before` is shown.
    pub(super) fn times(&self, before: i64) -> impl Iterator<Item = (i64, i64)> {
        let batches = self.visible().iter().filter(move |it| it.end() <= before);
        batches
            .flat_map(|batch| &batch.records)
            .filter(|record| record.offset >= self.log_start)
            .map(|record| (record.timestamp, record.offset))
    }

    /// Each epoch that has records, and where they end.
    pub(super) fn epochs(&self) -> Vec<(i32, i64)> {
        let mut ends: Vec<(i32, i64)> = Vec::new();
        for batch in self.visible() {
            match ends.last_mut() {
                Some(last) if last.0 == batch.epoch => continue,
                Some(last) => last.1 = batch.base,
                None => {}
            }
            ends.push((batch.epoch, self.log_end));
        }
        if let (Some(last), Some((epoch, start))) = (ends.last_mut(), self.assigned)
            && epoch > last.0
        {
            last.1 = start;
        }
        ends
    }

    /// The sequence that a producer's next batch has.
    pub(super) fn next_sequence(&self, producer: i64) -> i32 {
        let last = self.sent.iter().rfind(|sent| sent.producer == producer);
        last.map_or(0, |sent| sent.sequence + sent.count())
    }

    /// Adds a batch that a leader is given, and tells what it is given.
    pub(super) fn produce(
        &mut self,
        spec: &BatchSpec,
        epoch: LeaderEpoch,
        now: Timestamp,
    ) -> RecordBatch {
        let base = self.log_end;
        let producer = spec.producer.map(|id| (id, self.next_sequence(id)));
        let records: Vec<Record> = (base..)
            .zip(&spec.records)
            .map(|(offset, record)| {
                self.made += 1;
                let value = format!("{}{}", self.made, "-".repeat(record.bytes));
                Record {
                    offset,
                    timestamp: now.0 + record.ms,
                    key: format!("k{}", record.key).into(),
                    value: (!record.is_tombstone).then(|| value.into()),
                }
            })
            .collect();
        let batch = packed(&built(producer, &records), spec.codec);
        self.push(Batch {
            base,
            last: base + i64::try_from(records.len()).unwrap() - 1,
            epoch: epoch.0,
            producer,
            codec: batch.header().attributes.compression(),
            horizon: None,
            records,
            bytes: batch.clone().stamped(Offset(base), epoch).into_bytes(),
            appended_at: now.0,
        });
        batch
    }

    /// Adds a batch at the end.
    pub(super) fn push(&mut self, batch: Batch) {
        self.log_end = batch.end();
        let (base, last) = (batch.base, batch.last);
        self.sent
            .extend(batch.producer.map(|(producer, sequence)| Sent {
                producer,
                sequence,
                base,
                last,
            }));
        self.epoch = self.epoch.max(batch.epoch);
        if self.assigned.is_some_and(|(epoch, _)| epoch <= batch.epoch) {
            self.assigned = None;
        }
        self.batches.push(batch);
    }

    /// Where a cut at `to` ends the log: with the last batch that does not reach past it.
    pub(super) fn end_of_cut(&self, to: i64) -> i64 {
        let before = self.batches.iter().rfind(|batch| batch.last < to);
        before.map_or(self.committed, |it| it.end().max(self.committed))
    }

    pub(super) fn cut(&mut self, end: i64) {
        self.batches.retain(|batch| batch.base < end);
        self.sent.retain(|sent| sent.base < end);
        self.log_end = end;
        self.log_start = self.log_start.min(end);
        self.durable_start = self.durable_start.min(end);
        self.assigned = None;
    }

    /// Nothing of it is left; it starts here.
    pub(super) fn start_over(&mut self, at: i64) {
        *self = Self {
            log_start: at,
            durable_start: at,
            log_end: at,
            committed: at,
            epoch: self.epoch,
            made: self.made,
            ..Self::default()
        };
    }

    pub(super) fn raise_start(&mut self, to: i64) {
        self.log_start = self.log_start.max(to);
        self.latest_start = self.latest_start.max(to);
    }

    /// The log start is on the disk.
    pub(super) fn settle_start(&mut self) {
        self.durable_start = self.log_start;
        self.batches.retain(|batch| batch.last >= self.log_start);
    }

    /// The process has ended.
    pub(super) fn stopped(&mut self) {
        self.assigned = None;
        self.log_start = self.durable_start;
    }

    /// What was not synced is gone from `end` on.
    pub(super) fn lost(&mut self, end: i64) {
        let is_place = |batch: &Batch| batch.end() == end || batch.base == end;
        assert!(
            end == self.durable_start || self.batches.iter().any(is_place),
            "ends inside a batch, at {end}"
        );
        self.cut(end);
    }
}

/// A batch of these records, not compressed.
pub(super) fn built(producer: Option<(i64, i32)>, records: &[Record]) -> RecordBatch {
    let mut builder = BatchBuilder::new(TimestampType::CreateTime);
    if let Some((id, base_sequence)) = producer {
        builder = builder.producer(BatchProducer {
            id: ProducerId(id),
            epoch: ProducerEpoch(0),
            base_sequence,
        });
    }
    for record in records {
        let (key, value) = (Some(&record.key[..]), record.value.as_deref());
        builder
            .push(Timestamp(record.timestamp), key, value, &[])
            .unwrap();
    }
    builder.build().unwrap()
}
