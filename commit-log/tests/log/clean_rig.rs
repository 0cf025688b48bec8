//! What the tests of the cleaner share: keyed batches, and a control on this thread.

use bytes::Bytes;
use trimaran_commit_log::{
    CleanControl, CleanError, CleanJob, CleanReport, CleanedSegment, Cleaner, CleanerSettings,
    Codec, CompactionSettings, DecompressLimits, Log, LogReader, ProducerEnd, ReplaceError,
    Replaced, compress, decompress,
};
use trimaran_types::record_batch::{
    BatchBuilder, BatchProducer, RecordBatch, TimestampType, split,
};
use trimaran_types::{Offset, ProducerEpoch, ProducerId, Timestamp};

use crate::rig::NOW;

/// A key and a value or a tombstone.
pub(crate) type Keyed<'a> = (&'a str, Option<&'a str>);

/// Offset, key, value.
pub(crate) type Found = (i64, String, Option<String>);

pub(crate) fn keyed(records: &[Keyed<'_>]) -> RecordBatch {
    built(None, records, |_| NOW)
}

/// The same with a time for each record, by its place in the batch.
pub(crate) fn keyed_at(records: &[Keyed<'_>], time: impl Fn(usize) -> Timestamp) -> RecordBatch {
    built(None, records, time)
}

fn built(
    producer: Option<BatchProducer>,
    records: &[Keyed<'_>],
    time: impl Fn(usize) -> Timestamp,
) -> RecordBatch {
    let mut builder = BatchBuilder::new(TimestampType::CreateTime);
    if let Some(producer) = producer {
        builder = builder.producer(producer);
    }
    for (number, (key, value)) in records.iter().enumerate() {
        let (key, value) = (Some(key.as_bytes()), value.map(str::as_bytes));
        builder.push(time(number), key, value, &[]).unwrap();
    }
    builder.build().unwrap()
}

/// The same batch, not compressed or in one of the codecs.
pub(crate) fn packed(batch: &RecordBatch, number: i64) -> RecordBatch {
    let codec = match number.rem_euclid(5) {
        0 => return batch.clone(),
        1 => Codec::Gzip { level: 1 },
        2 => Codec::Snappy,
        3 => Codec::Lz4,
        _ => Codec::Zstd { level: 1 },
    };
    compress(batch, codec, &DecompressLimits::default()).unwrap()
}

/// A batch of a producer in epoch 0, from a sequence number on, with these attribute bits.
pub(crate) fn produced(id: i64, sequence: i32, bits: u8, records: &[Keyed<'_>]) -> RecordBatch {
    let producer = BatchProducer {
        id: ProducerId(id),
        epoch: ProducerEpoch(0),
        base_sequence: sequence,
    };
    let mut raw = built(Some(producer), records, |_| NOW)
        .into_bytes()
        .to_vec();
    raw[22] |= bits;
    let crc = crc32c::crc32c(&raw[21..]);
    raw[17..21].copy_from_slice(&crc.to_be_bytes());
    RecordBatch::parse(Bytes::from(raw)).unwrap()
}

pub(crate) const TRANSACTIONAL: u8 = 1 << 4;
const CONTROL: u8 = 1 << 5;

/// Keys of markers: version 0, type 0 or 1.
pub(crate) const ABORT: &str = "\0\0\0\0";
pub(crate) const COMMIT: &str = "\0\0\0\u{1}";

/// A marker that ends a producer's transaction; its value is a version and a coordinator's epoch.
pub(crate) fn marker(id: i64, key: &str) -> RecordBatch {
    produced(
        id,
        -1,
        TRANSACTIONAL | CONTROL,
        &[(key, Some("\0\0\0\0\0\0"))],
    )
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Every batch from the log's start on, in small reads.
pub(crate) fn batches(reader: &LogReader) -> Vec<RecordBatch> {
    let mut all = Vec::new();
    let mut from = reader.log_start();
    loop {
        let bytes = reader.read(from, Offset(i64::MAX), 200).unwrap();
        if bytes.is_empty() {
            return all;
        }
        for batch in split(bytes) {
            let batch = batch.unwrap();
            from = batch.header().next_offset();
            all.push(batch);
        }
    }
}

pub(crate) fn records(reader: &LogReader) -> Vec<Found> {
    let mut all = Vec::new();
    for batch in batches(reader) {
        let plain = decompress(&batch, &DecompressLimits::default()).unwrap();
        for record in plain.records() {
            let record = record.unwrap();
            let key = text(&record.key.unwrap());
            all.push((record.offset.0, key, record.value.map(|value| text(&value))));
        }
    }
    all
}

/// Timestamp and offset of every record.
pub(crate) fn times(reader: &LogReader) -> Vec<(i64, i64)> {
    let mut all = Vec::new();
    for batch in batches(reader) {
        let plain = decompress(&batch, &DecompressLimits::default()).unwrap();
        let records = plain.records().map(Result::unwrap);
        all.extend(records.map(|record| (record.timestamp.0, record.offset.0)));
    }
    all
}

/// Lets the owner, who is right here, swap segments in.
pub(crate) struct Owned<'a> {
    pub(crate) log: &'a mut Log,
    /// The pass is stopped after so many answers.
    pub(crate) go_on: usize,
    /// Done before each swap.
    pub(crate) before_swap: fn(&mut Log),
}

impl CleanControl for Owned<'_> {
    fn go_on_after(&mut self, bytes: u64) -> Option<std::time::Duration> {
        assert!(bytes > 0);
        self.go_on = self.go_on.saturating_sub(1);
        (self.go_on > 0).then_some(std::time::Duration::ZERO)
    }

    fn replace(&mut self, cleaned: CleanedSegment) -> Result<Replaced, ReplaceError> {
        (self.before_swap)(self.log);
        self.log.replace_segments(&cleaned)
    }
}

/// Everything that a pass over a log goes by.
#[derive(Clone)]
pub(crate) struct Pass {
    pub(crate) settings: CompactionSettings,
    pub(crate) cleaner: CleanerSettings,
    /// Those of the log unless they are given.
    pub(crate) producer_ends: Option<Vec<ProducerEnd>>,
    pub(crate) now: Timestamp,
    pub(crate) limit: Offset,
    pub(crate) go_on: usize,
    pub(crate) before_swap: fn(&mut Log),
}

impl Default for Pass {
    fn default() -> Self {
        Self {
            settings: CompactionSettings {
                dirty_ratio_min: 0.0,
                delete_retention_ms: 1000,
                ..CompactionSettings::default()
            },
            cleaner: CleanerSettings {
                map_bytes_max: 1 << 20,
                io_bytes: 300,
            },
            producer_ends: None,
            now: NOW,
            limit: Offset(i64::MAX),
            go_on: usize::MAX,
            before_swap: |_| {},
        }
    }
}

impl Pass {
    /// Plans and cleans; `None` when nothing is due.
    pub(crate) fn run(&self, log: &mut Log) -> Option<Result<CleanReport, CleanError>> {
        let reader = log.reader();
        let limit = self.limit.min(log.flushed_end());
        let plan = reader.plan_cleaning(limit, &self.settings, self.now)?;
        if !plan.is_due(&self.settings) {
            return None;
        }
        let config = log.config().clone();
        let ends = self.producer_ends.clone();
        let ends = ends.unwrap_or_else(|| log.producer_ends());
        let job = CleanJob {
            log: &reader,
            config: &config,
            plan,
            settings: &self.settings,
            producer_ends: &ends,
            now: self.now,
        };
        let mut control = Owned {
            log,
            go_on: self.go_on,
            before_swap: self.before_swap,
        };
        Some(Cleaner::new(self.cleaner).clean(&job, &mut control))
    }
}
