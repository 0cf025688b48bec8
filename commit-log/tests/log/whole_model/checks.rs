//! What a log is asked after each operation, and what its files are after a clean stop.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use proptest::sample::Index;
use trimaran_commit_log::{
    Checkpointed, Disk, Problem, ReadError, Seen, Severity, inspect_partition,
};
use trimaran_types::record_batch::{RecordBatch, split};
use trimaran_types::{LeaderEpoch, Offset, Timestamp};

use super::memory_disk::MemoryDisk;
use super::model::{Batch, Model};
use super::replica::Replica;
use crate::rig::first_latest;

/// Bytes of a read of everything: some batches.
const READ_BYTES: usize = 700;

fn bases(batches: &[Batch]) -> Vec<(i64, i64)> {
    let place = |batch: &Batch| (batch.base, batch.last);
    batches.iter().map(place).collect()
}

impl Replica {
    /// Every batch from the log's start on.
    pub(super) fn read_all(&self) -> Vec<RecordBatch> {
        let reader = self.log.reader();
        let mut all = Vec::new();
        let mut from = reader.log_start();
        loop {
            let bytes = reader.read(from, Offset(i64::MAX), READ_BYTES).unwrap();
            if bytes.is_empty() {
                assert_eq!(from, reader.log_end(), "nothing is there");
                return all;
            }
            for batch in split(bytes) {
                let batch = batch.unwrap();
                from = batch.header().next_offset();
                all.push(batch);
            }
        }
    }

    /// The log holds what the model has, bit for bit, and nothing else.
    pub(super) fn check(&self) {
        let (log, model) = (&self.log, &self.model);
        assert_eq!(
            (log.log_start().0, log.log_end().0),
            (model.log_start, model.log_end)
        );
        let flushed_end = log.flushed_end().0;
        assert!((model.committed..=model.log_end).contains(&flushed_end));
        let found = self.read_all();
        let places = found.iter().map(|batch| {
            let header = batch.header();
            (header.base_offset.0, header.last_offset().0)
        });
        let visible = model.visible();
        assert_eq!(places.collect::<Vec<_>>(), bases(visible));
        for (found, known) in found.iter().zip(visible) {
            assert!(
                *found.bytes() == known.bytes,
                "other bytes at {}",
                known.base
            );
        }
        let known = |(_, end): &(i32, i64)| *end > model.log_start;
        for (epoch, end) in model.epochs().into_iter().filter(known) {
            let epoch = LeaderEpoch(epoch);
            let found = log.end_offset_for_epoch(epoch);
            assert_eq!(found, Some((epoch, Offset(end))));
        }
        if let Some(last) = visible.last() {
            let latest = model.assigned.map_or(last.epoch, |(epoch, _)| epoch);
            assert_eq!(log.latest_epoch(), Some(LeaderEpoch(latest)));
        }
        for outside in [model.log_start - 1, model.log_end + 1] {
            let refused = log.reader().read(Offset(outside), Offset(i64::MAX), 1);
            let is_refused = matches!(refused, Err(ReadError::OutOfRange { .. }));
            assert!(is_refused, "{outside}: {refused:?}");
        }
        self.check_sizes();
    }

    fn check_sizes(&self) {
        let files = self.segment_files();
        let (_, finished) = files.split_last().unwrap();
        let file_bytes: u64 = files.iter().map(|file| file.1.len() as u64).sum();
        assert!(file_bytes >= self.log.bytes());
        assert!(self.log.config().preallocate || file_bytes == self.log.bytes());
        // Compaction may make what it keeps longer, by the horizons of tombstones.
        let config = self.log.config();
        let mut sizes = finished.iter().map(|file| file.1.len() as u64);
        assert!(config.compacted || sizes.all(|bytes| bytes <= config.segment_bytes));
    }

    /// Whole batches from the one that holds an offset, or the next one; at least one, and no more than
    /// fit.
    pub(super) fn read(&self, from: &Index, before: &Index, bytes_max: usize) {
        let model = &self.model;
        let from = Model::place(from, model.log_start, model.log_end);
        let before = Model::place(before, from, model.log_end + 1);
        let reader = self.log.reader();
        let given = reader
            .read(Offset(from), Offset(before), bytes_max)
            .unwrap();
        let visible = model.visible();
        let mut expected = visible[visible.partition_point(|it| it.last < from)..].iter();
        let first = expected.next().filter(|first| first.end() <= before);
        let Some(first) = first.filter(|_| from < before) else {
            assert!(given.is_empty(), "{from} to {before}");
            return;
        };
        assert!(given.starts_with(&first.bytes), "{from} to {before}");
        assert!(given.len() <= bytes_max.max(first.bytes.len()));
        let mut left = given.slice(first.bytes.len()..);
        while !left.is_empty() {
            let next = expected.next().unwrap();
            assert!(
                left.starts_with(&next.bytes),
                "not the one at {}",
                next.base
            );
            assert!(next.end() <= before);
            let _ = left.split_to(next.bytes.len());
        }
    }

    pub(super) fn find_time(&self, ms: i64, before: &Index) {
        let model = &self.model;
        let before = Model::place(before, model.log_start, model.log_end);
        let at_least = Timestamp(self.now().0 + ms);
        let reader = self.log.reader();
        let found = reader
            .offset_for_timestamp(at_least, Offset(before))
            .unwrap();
        assert_eq!(
            found.map(|(time, offset)| (time.0, offset.0)),
            model.times(before).find(|(time, _)| *time >= at_least.0),
            "first record at {at_least:?} or later below {before}"
        );
    }

    pub(super) fn find_max_time(&self, before: &Index) {
        let model = &self.model;
        let before = Model::place(before, model.log_start, model.log_end);
        let reader = self.log.reader();
        let found = reader.offset_of_max_timestamp(Offset(before)).unwrap();
        assert_eq!(
            found.map(|(time, offset)| (time.0, offset.0)),
            first_latest(model.times(before)),
            "first record with the largest timestamp below {before}"
        );
    }
}

/// Nothing is wrong with the files of a log that was closed: batches, indexes, epochs, snapshots.
pub(super) fn check_files(disk: &MemoryDisk, dir: &Path, model: &Model) {
    let known = Checkpointed {
        recovery_point: Some(Offset(model.log_end)),
        log_start: Some(Offset(model.log_start)),
        ..Checkpointed::default()
    };
    let start = format!("{:020}.", model.log_start);
    let bases = disk.files(dir, ".log").into_iter().map(|file| file.0);
    let first = bases.filter(|name| *name <= format!("{start}log")).max();
    let mut on_seen = |seen: &Seen<'_>| {
        if let Seen::Finding(finding) = seen {
            let is_fine = match finding.problem {
                // One that a power cut took is removed by whoever needs it.
                Problem::Snapshot => true,
                Problem::EpochsDiffer { start } => start.0 < model.latest_start,
                // A start does not look at segments below the log start.
                _ if finding.severity == Severity::Rebuilt => {
                    let name = finding.file.with_extension("log");
                    let name = name.file_name().and_then(|name| name.to_str());
                    name < first.as_deref()
                }
                _ => finding.severity == Severity::Note,
            };
            assert!(is_fine, "{finding:?}");
        }
        ControlFlow::Continue(())
    };
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let summary = inspect_partition(&disk, dir, &known, &mut on_seen).unwrap();
    assert_eq!(summary.end, Some(Offset(model.log_end)));
}
