//! [`Recovery`]: what a log holds after a stop, clean or not.
//!
//! The rule for bad bytes (ADR 0011). Below the synced end (the recovery point or the noted flushed
//! end, whichever is further; or everything after a clean stop) they are corruption. Beyond a noted
//! flushed end they are a torn tail, which is cut: a power cut may have kept a later page of what
//! was never synced and lost an earlier one, so a good batch behind them proves nothing. Where only
//! a recovery point is known, which may be a minute old, they are a torn tail **if no good batch
//! follows anywhere behind them**, and a batch that is whole but out of order is corruption as well.
//! Corruption cuts nothing: the log is not opened, and the replica is fetched again. Zeros to the end
//! of the file that hide no record are the room that the log wrote ahead, and are cut.
//!
//! Segments join, in a compacted log too: what is missing between two of them is damage like any
//! other. Offsets that are missing within a segment of a dense log are corruption wherever they lie: no
//! power cut moves bytes. Then the batch in front of the place is in doubt as well, since it may have
//! the records of a later one ([`Behind`](crate::behind::Behind)).
//!
//! Only what lies beyond the recovery point is walked, from the last index entry below it on, once the list
//! of epochs was seen to fit what lies below, and else everything. The page cache is asked to forget the
//! files first, so that a page which the system called clean after a failed write is not believed.

mod epochs;
mod indexes;
mod room;
mod torn_tail;

use std::io;
use std::path::Path;
use std::sync::Arc;

use trimaran_types::Offset;

use super::kept::Kept;
use super::open::{Listing, OpenAs, OpenError, SyncedEnd, at as at_path, sync_dir, unchanged};
use crate::config::LogConfig;
use crate::context::LogContext;
use crate::damage::Damage;
use crate::disk::{DiskFile, OpenHow};
use crate::epochs::EpochCache;
use crate::index::{IndexTail, Indexer, OffsetEntry, TimeEntry};
use crate::names::SegmentFile;
use crate::segment_scan::{ScanRules, ScanStart, Scanned, scan};

/// What recovery did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Bytes whose checksums were verified.
    pub scanned_bytes: u64,
    /// Batches in them.
    pub scanned_batches: u64,
    /// Segments whose indexes were rebuilt from their batches.
    pub indexes_rebuilt: u64,
    /// Zeros behind the data that were cut off.
    pub room_bytes: u64,
    /// The torn tail that was cut, if there was one.
    pub cut: Option<TailCut>,
}

/// A torn tail that was cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailCut {
    /// The file that was cut; later segments were removed.
    pub file: std::path::PathBuf,
    /// Where it was cut.
    pub position: u64,
    /// The log's end since then.
    pub offset: Offset,
    /// Bytes that were cut, those of removed segments and room included.
    pub bytes: u64,
    /// What was wrong with them.
    pub cause: Damage,
    /// Whole batches lie behind the damage. After a power cut that is no surprise; after anything
    /// else the disk deserves a look.
    pub good_batches_follow: bool,
}

/// What recovery found, ready to become a log.
#[derive(Debug)]
pub(super) struct Recovered {
    pub segments: Vec<(Offset, u64)>,
    pub epochs: EpochCache,
    pub offsets: IndexTail<OffsetEntry>,
    pub times: IndexTail<TimeEntry>,
    pub indexer: Indexer,
    pub log_end: Offset,
    /// The walk began here; what is derived from earlier batches was not doubted.
    pub walked_from: Offset,
    /// Whether a batch that was walked names a producer.
    pub has_producers: bool,
    pub report: RecoveryReport,
}

/// One recovery.
pub(super) struct Recovery<'a> {
    context: &'a LogContext,
    dir: &'a Path,
    config: &'a LogConfig,
    clean: bool,
    /// Indexes and epochs below it are durable too: the walk starts there.
    recovery_point: Offset,
    synced: SyncedEnd,
    /// What lies below was deleted: its files may be gone already, in any order.
    log_start: Offset,
    segments: Vec<(Offset, u64)>,
    listing: Listing,
    /// The segment that the log starts in; those before it are not looked at.
    kept_from: usize,
    /// Nothing is known about epochs, so everything is walked.
    from_the_start: bool,
    epochs: EpochCache,
    walked_from: Option<Offset>,
    has_producers: bool,
    report: RecoveryReport,
}

impl<'a> Recovery<'a> {
    pub(super) fn new(
        context: &'a LogContext,
        dir: &'a Path,
        config: &'a LogConfig,
        (start, synced): (&OpenAs, SyncedEnd),
        listing: Listing,
        epochs: Option<EpochCache>,
    ) -> Self {
        Self {
            context,
            dir,
            config,
            clean: start.clean_shutdown,
            recovery_point: start.recovery_point,
            synced,
            log_start: start.log_start.unwrap_or(Offset::ZERO),
            segments: listing
                .segments
                .iter()
                .map(|(base, bytes)| (*base, *bytes))
                .collect(),
            listing,
            kept_from: 0,
            from_the_start: epochs.is_none(),
            epochs: epochs.unwrap_or_default(),
            walked_from: None,
            has_producers: false,
            report: RecoveryReport::default(),
        }
    }

    pub(super) fn run(mut self) -> Result<Recovered, OpenError> {
        let target = match (self.from_the_start, self.clean) {
            (true, _) => Offset::ZERO,
            (false, true) => Offset(i64::MAX),
            (false, false) => self.recovery_point,
        };
        self.kept_from = self.segment_of(self.log_start);
        if !self.clean {
            // The file of epochs is older than what follows the recovery point. The walk learns that
            // anew, but for what a later log start has taken away.
            self.epochs.truncate_from(self.recovery_point);
        }
        // The segment that ends with the point, where the next one begins there: it may have been finished
        // since, and then the last entry of its time index need not be durable.
        let first = self
            .segments
            .partition_point(|(base, _)| *base < target)
            .saturating_sub(1)
            .max(self.kept_from);
        self.cut_room_before(first)?;
        for at in self.kept_from..first {
            self.restore_indexes(at)?;
        }
        let mut at = first;
        loop {
            let (base, bytes) = self.segments[at];
            let path = SegmentFile::Log.path(self.dir, base);
            let file = self.open(&path)?;
            if !self.clean {
                file.forget_cached();
            }
            let next = self.segments.get(at + 1).map(|(base, _)| *base);
            // Of a segment that ends with the point, no index entry need be durable any more.
            let is_finished = !self.clean && next.is_some_and(|next| next <= target);
            let kept = if at == first && !is_finished {
                self.kept(file.as_ref(), base, bytes, target)?
            } else {
                Kept::nothing(base)
            };
            let knows = at == first && !self.from_the_start;
            if knows && !self.epochs_fit_below(kept.expected, (at, &file))? {
                return self.run_from_the_start();
            }
            let (kept, mut scanned) = self.walk(file.as_ref(), &path, base, bytes, kept)?;
            if knows && self.contradicts_at_once(&kept, &scanned) {
                return self.run_from_the_start();
            }
            self.learn(&kept, &scanned);
            if knows
                && self.begins_epoch(&kept, &scanned)
                && !self.epochs_fit_in_front_of(kept.expected, (at, &file))?
            {
                return self.run_from_the_start();
            }
            self.cut_if_torn(at, file.as_ref(), &path, &scanned)?;
            let is_last = at + 1 == self.segments.len();
            let was_cut = self.report.cut.is_some() || self.report.room_bytes > 0;
            if !self.clean && (scanned.end > self.recovery_point || was_cut) {
                file.sync_data().map_err(|e| self.failed(&path, &e))?;
            }
            let (offsets, times) = self.write_indexes(base, &kept, &mut scanned, is_last)?;
            if is_last {
                return self.finish(scanned, offsets, times);
            }
            at += 1;
        }
    }

    /// The same once more: the list of epochs is not what the batches say, and is learned from them.
    fn run_from_the_start(mut self) -> Result<Recovered, OpenError> {
        tracing::warn!(dir = %self.dir.display(), epochs = ?self.epochs.entries(), "leader epochs on the disk contradict the batches, learning them anew");
        self.epochs = EpochCache::default();
        self.from_the_start = true;
        (self.walked_from, self.has_producers) = (None, false);
        self.run()
    }

    fn segment_of(&self, offset: Offset) -> usize {
        self.segments
            .partition_point(|(base, _)| *base <= offset)
            .saturating_sub(1)
    }

    /// Whether the first batch of all that is walked has an older epoch than the list, of which nothing
    /// was looked at.
    fn contradicts_at_once(&self, kept: &Kept, scanned: &Scanned) -> bool {
        let is_first = scanned.batches == 0 && kept.expected <= self.first_readable();
        is_first
            && matches!(
                scanned.damage,
                Some(Damage::EpochOutOfOrder {
                    latest: Some(_),
                    ..
                })
            )
    }

    /// Takes in what the walk over a segment has found.
    fn learn(&mut self, kept: &Kept, scanned: &Scanned) {
        self.walked_from.get_or_insert(kept.expected);
        self.has_producers |= scanned.has_producers;
        self.epochs.truncate_from(kept.expected);
        for entry in &scanned.epochs {
            // The walk has checked that epochs grow.
            let _ = self.epochs.assign(entry.epoch, entry.start);
        }
    }

    /// Whether the first batch of the walk may be in another epoch than what is known in front of it.
    fn begins_epoch(&self, kept: &Kept, scanned: &Scanned) -> bool {
        let may_have_gap = self.config.compacted && kept.position == 0;
        let first = scanned.epochs.first();
        first.is_some_and(|first| first.start == kept.expected || may_have_gap)
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn DiskFile>, OpenError> {
        self.context
            .open(path, OpenHow::Existing)
            .map_err(at_path(path))
    }

    fn failed(&self, path: &Path, error: &io::Error) -> OpenError {
        self.context.latch.fail("sync", path, error).into()
    }

    const fn rules(&self) -> ScanRules {
        ScanRules {
            compacted: self.config.compacted,
            index_interval_bytes: self.config.index_interval_bytes,
        }
    }

    fn finish(
        self,
        scanned: Scanned,
        offsets: IndexTail<OffsetEntry>,
        times: IndexTail<TimeEntry>,
    ) -> Result<Recovered, OpenError> {
        let end = scanned.end;
        if end < self.synced.at_least {
            let (base, position) = self.segments[self.segments.len() - 1];
            return Err(OpenError::Corrupt {
                file: SegmentFile::Log.path(self.dir, base),
                position,
                offset: end,
                cause: Damage::EndsTooEarly {
                    end,
                    synced_end: self.synced.at_least,
                },
            });
        }
        if !self.clean {
            // The last process may have ended between making a segment and syncing its name.
            sync_dir(self.context, self.dir).map_err(unchanged(self.context, self.dir))?;
        }
        Ok(Recovered {
            segments: self.segments,
            epochs: self.epochs,
            offsets,
            times,
            indexer: scanned.indexer,
            log_end: end,
            walked_from: self.walked_from.unwrap_or(end),
            has_producers: self.has_producers,
            report: self.report,
        })
    }

    fn scan_start(
        &self,
        base: Offset,
        kept: &Kept,
        latest_epoch: Option<trimaran_types::LeaderEpoch>,
    ) -> ScanStart {
        ScanStart {
            position: kept.position,
            expected: kept.expected,
            latest_epoch,
            indexer: Indexer::new(base, kept.times.last().copied()),
        }
    }

    fn count(&mut self, kept: &Kept, scanned: &Scanned) {
        self.report.scanned_bytes += scanned.position - kept.position;
        self.report.scanned_batches += scanned.batches;
    }

    /// Walks a segment, from its first batch if what the index pointed to proves wrong.
    fn walk(
        &mut self,
        file: &dyn DiskFile,
        path: &Path,
        base: Offset,
        bytes: u64,
        kept: Kept,
    ) -> Result<(Kept, Scanned), OpenError> {
        let mut known = self.epochs.clone();
        known.truncate_from(kept.expected);
        let start = self.scan_start(base, &kept, known.latest());
        let scanned = scan(file, bytes, start, self.rules()).map_err(at_path(path))?;
        self.count(&kept, &scanned);
        if scanned.damage.is_some() && scanned.batches == 0 && kept.position > 0 {
            return self.walk(file, path, base, bytes, Kept::nothing(base));
        }
        Ok((kept, scanned))
    }
}
