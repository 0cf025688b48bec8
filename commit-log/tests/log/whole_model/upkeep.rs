//! What shortens a log for good: deletion of records, retention, compaction.

use bytes::Bytes;
use trimaran_commit_log::{CleanError, CleanerSettings, CompactionSettings, LogConfig};
use trimaran_types::Offset;
use trimaran_types::record_batch::split;

use super::cleaning::Cleaning;
use super::model::{Batch, Model};
use super::operation::{DELETE_RETENTION_MS, Pass};
use super::replica::{Replica, partition};
use crate::clean_rig;

/// A segment, as its file tells.
struct Segment {
    end: i64,
    bytes: u64,
    largest_timestamp: i64,
    /// It was written at the earliest, and at the latest, then.
    written_at: (i64, i64),
}

impl Replica {
    pub(super) fn trim(&mut self, to: &proptest::sample::Index) {
        let model = &self.model;
        let to = Model::place(to, model.log_start, model.committed);
        self.log.raise_log_start(Offset(to));
        self.model.raise_start(to);
    }

    /// Base of each segment, oldest first, and its file's content and last writing.
    pub(super) fn segment_files(&self) -> Vec<(i64, Vec<u8>, i64)> {
        let dir = self.dir.partition_dir(&partition());
        let files = self.disk.files(&dir, ".log").into_iter();
        files
            .map(|(name, bytes, at)| (name.trim_end_matches(".log").parse().unwrap(), bytes, at.0))
            .collect()
    }

    fn segments(&self) -> Vec<Segment> {
        let files = self.segment_files();
        let finished = &files[..files.len() - 1];
        let finished_bytes: u64 = finished.iter().map(|file| file.1.len() as u64).sum();
        let active_bytes = self.log.bytes() - finished_bytes;
        let mut segments = Vec::new();
        for (at, (base, content, written_at)) in files.iter().enumerate() {
            let next = files.get(at + 1).map(|next| next.0);
            let end = next.unwrap_or(self.model.log_end);
            let bytes = next.map_or(active_bytes, |_| content.len() as u64);
            let data = &content[..usize::try_from(bytes).unwrap()];
            let batches = split(Bytes::copy_from_slice(data)).map(Result::unwrap);
            let times = batches.map(|batch| batch.header().max_timestamp.0);
            let here = |batch: &&Batch| (*base..end).contains(&batch.base);
            let last = self.model.batches.iter().rfind(here);
            segments.push(Segment {
                end,
                bytes,
                largest_timestamp: times.max().unwrap_or(-1),
                written_at: (last.map_or(*written_at, |it| it.appended_at), *written_at),
            });
        }
        segments
    }

    /// Where the log may start by the rules of retention. `counts` chooses when a segment counts as
    /// written, which matters where a timestamp lies in the future.
    fn planned(
        &self,
        (bytes_max, ms_max): (Option<u64>, Option<u64>),
        counts: fn((i64, i64)) -> i64,
    ) -> Option<i64> {
        let segments = self.segments();
        let now = self.now().0;
        let mut left: u64 = segments.iter().map(|segment| segment.bytes).sum();
        let mut end = None;
        for segment in segments {
            let youngest = if segment.largest_timestamp > now {
                counts(segment.written_at)
            } else {
                segment.largest_timestamp
            };
            let age_ms = u64::try_from(now - youngest).unwrap_or(0);
            let goes = segment.end <= self.model.log_start
                || bytes_max.is_some_and(|bytes_max| left >= bytes_max + segment.bytes)
                || ms_max.is_some_and(|ms_max| age_ms > ms_max);
            if segment.bytes == 0 || segment.end > self.model.committed || !goes {
                break;
            }
            left -= segment.bytes;
            end = Some(segment.end.max(self.model.log_start));
        }
        end
    }

    /// One round, as a broker does it.
    pub(super) fn retain(&mut self, bytes: Option<u64>, ms: Option<u64>) {
        let config = LogConfig {
            retention_bytes: bytes,
            retention_ms: ms,
            ..self.log.config().clone()
        };
        self.log.set_config(config).unwrap();
        let at_least = self.planned((bytes, ms), |(_, latest)| latest);
        let at_most = self.planned((bytes, ms), |(earliest, _)| earliest);
        let committed = Offset(self.model.committed);
        let retained = self.log.retain(committed, self.now()).unwrap();
        let start = retained.map(|retained| retained.log_start.0);
        assert!(
            (at_least..=at_most).contains(&start),
            "{start:?} is not from {at_least:?} to {at_most:?}"
        );
        let Some(retained) = retained else { return };
        if retained.rolled {
            self.dir.sync_log(&partition()).unwrap();
        }
        self.model.raise_start(retained.log_start.0);
        self.write_start();
        while let Some(deleted) = self.log.delete_segments(retained.log_start).unwrap() {
            deleted.sync().unwrap();
            deleted.remove().unwrap();
        }
        let bases: Vec<i64> = self.segment_files().iter().map(|file| file.0).collect();
        let start = self.model.log_start;
        assert!(bases[0] <= start && bases.get(1).is_none_or(|next| *next > start));
    }

    /// A pass of the cleaner over what is committed.
    pub(super) fn clean(&mut self, pass: &Pass) {
        // What lies below the start may be rewritten unseen, and must not come back.
        self.write_start();
        let pass = clean_rig::Pass {
            settings: CompactionSettings {
                dirty_ratio_min: 0.0,
                delete_retention_ms: DELETE_RETENTION_MS.unsigned_abs(),
                ..CompactionSettings::default()
            },
            cleaner: CleanerSettings {
                map_bytes_max: pass.slots * 24,
                io_bytes: 300,
            },
            now: self.now(),
            limit: Offset(self.model.committed),
            go_on: pass.go_on,
            ..clean_rig::Pass::default()
        };
        let reader = self.log.reader();
        let Some(plan) = reader.plan_cleaning(pass.limit, &pass.settings, pass.now) else {
            return;
        };
        assert!(plan.before <= pass.limit);
        let clean_end = match pass.run(&mut self.log) {
            Some(Ok(report)) => Some(report.clean_end.0),
            Some(Err(CleanError::Stopped)) => None,
            other => panic!("{other:?}"),
        };
        let cleaning = Cleaning {
            log_start: self.model.log_start,
            before: plan.before.0,
            clean_end,
            now: pass.now.0,
        };
        let mut left: Vec<Batch> = self.read_all().iter().map(Batch::read).collect();
        for batch in &mut left {
            let was = &self.model.batches;
            let same = was.binary_search_by_key(&batch.base, |was| was.base);
            batch.appended_at = same.map_or(0, |at| was[at].appended_at);
        }
        cleaning.check(self.model.visible(), &left);
        self.model.batches = left;
    }
}
