//! What a log knows about producers after it was opened: the latest snapshot that can be believed,
//! and the batches behind it; and its indexes of aborted transactions, rebuilt from where they can
//! no longer be believed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use trimaran_types::Offset;

use super::open::{Listing, OpenAs, OpenError, at, sync_dir, unchanged};
use super::recover::Recovered;
use super::replay::Replay;
use crate::aborted::AbortedTransaction;
use crate::change_error::{ChangeError, sync_data, sync_names};
use crate::context::LogContext;
use crate::disk::OpenHow;
use crate::index::{self, IndexEntry, IndexTail};
use crate::names::SegmentFile;
use crate::producers::{ProducerStates, SnapshotFiles};

/// What was restored.
pub(super) struct Restored {
    pub states: ProducerStates,
    pub snapshots: SnapshotFiles,
    /// Of the last segment.
    pub aborted: IndexTail<AbortedTransaction>,
    /// Bases of other segments that have some.
    pub aborted_in: BTreeSet<Offset>,
}

/// The files that the directory has, taken out of its listing.
#[derive(Debug, Default)]
pub(super) struct ProducerFiles {
    snapshots: BTreeSet<Offset>,
    /// Bytes of each index of aborted transactions.
    aborted: BTreeMap<Offset, u64>,
}

impl ProducerFiles {
    pub(super) fn take_from(listing: &mut Listing) -> Self {
        Self {
            snapshots: std::mem::take(&mut listing.snapshots),
            aborted: std::mem::take(&mut listing.aborted),
        }
    }

    /// Restores the state of producers of a recovered log.
    pub(super) fn restore(
        self,
        context: &LogContext,
        dir: &Path,
        (start, gaps_allowed): (&OpenAs, bool),
        recovered: &Recovered,
    ) -> Result<Restored, OpenError> {
        let clean = start.clean_shutdown;
        let log_start = start.log_start.unwrap_or(Offset::ZERO);
        let mut restoring = Restoring {
            context,
            dir,
            recovered,
            bases: recovered.segments.iter().map(|(base, _)| *base).collect(),
            aborted: self.aborted,
            doubted_from: (!clean).then_some(recovered.walked_from),
            log_start: log_start.min(recovered.log_end),
            gaps_allowed,
        };
        restoring.remove_orphans()?;
        restoring.doubt_damaged()?;
        let (states, snapshots, found) = restoring.replay(self.snapshots)?;
        let (aborted, aborted_in) = restoring.write_aborted(found)?;
        Ok(Restored {
            states,
            snapshots,
            aborted,
            aborted_in,
        })
    }
}

type AbortedBySegment = BTreeMap<Offset, Vec<AbortedTransaction>>;

struct Restoring<'a> {
    context: &'a LogContext,
    dir: &'a Path,
    recovered: &'a Recovered,
    bases: BTreeSet<Offset>,
    aborted: BTreeMap<Offset, u64>,
    /// Entries with markers from here on are made anew.
    doubted_from: Option<Offset>,
    /// What lies below was deleted, and may be there in part.
    log_start: Offset,
    gaps_allowed: bool,
}

impl Restoring<'_> {
    /// Indexes of segments that recovery has removed.
    fn remove_orphans(&mut self) -> Result<(), OpenError> {
        for base in self
            .aborted
            .keys()
            .filter(|base| !self.bases.contains(base))
        {
            let path = SegmentFile::Aborted.path(self.dir, *base);
            let removed = self.context.disk.remove_file(&path);
            removed.map_err(unchanged(self.context, &path))?;
        }
        self.aborted.retain(|base, _| self.bases.contains(base));
        Ok(())
    }

    /// Doubts everything from the first segment on whose index cannot be what was written.
    fn doubt_damaged(&mut self) -> Result<(), OpenError> {
        let cut = |bytes: u64| !bytes.is_multiple_of(AbortedTransaction::BYTES as u64);
        let torn = self.aborted.iter().find(|(_, bytes)| cut(**bytes));
        let torn = torn.map(|(base, _)| *base);
        self.doubted_from = self.doubted_from.into_iter().chain(torn).min();
        if let Some(from) = self.doubted_from
            && let Some(base) = self.bases.range(..=from).next_back().copied()
            && self.load(base)?.is_none()
        {
            self.doubted_from = Some(base);
        }
        Ok(())
    }

    /// The entries of a segment; `None` when they are damaged.
    fn load(&self, base: Offset) -> Result<Option<Vec<AbortedTransaction>>, OpenError> {
        let Some(bytes) = self.aborted.get(&base) else {
            return Ok(Some(Vec::new()));
        };
        let path = SegmentFile::Aborted.path(self.dir, base);
        let load = || {
            let file = self.context.disk.open(&path, OpenHow::Existing)?;
            index::load::<AbortedTransaction>(file.as_ref(), *bytes)
        };
        let entries = load().map_err(at(&path))?;
        let count = usize::try_from(*bytes).unwrap_or(0) / AbortedTransaction::BYTES;
        Ok(entries.filter(|entries| entries.len() == count))
    }

    fn replay(
        &self,
        ends: BTreeSet<Offset>,
    ) -> Result<(ProducerStates, SnapshotFiles, AbortedBySegment), OpenError> {
        let disk = self.context.disk.as_ref();
        let recovered = self.recovered;
        let log_end = recovered.log_end;
        let up_to = self.doubted_from.map_or(log_end, |from| from.min(log_end));
        let mut snapshots = SnapshotFiles::new(ends);
        if snapshots.latest().is_some_and(|latest| latest > up_to) {
            // One that came back would be believed when the log has grown past it again. Opened
            // first: what was removed once, nobody would look for again.
            let names = self.context.open_dir(self.dir).map_err(at(self.dir))?;
            let removed = snapshots.remove_beyond(disk, self.dir, up_to);
            removed.map_err(unchanged(self.context, self.dir))?;
            sync_names(names.as_ref()).map_err(unchanged(self.context, self.dir))?;
        }
        let first = self.bases.range(..=self.log_start).next_back().copied();
        let first = first.unwrap_or(recovered.segments[0].0);
        let loaded = snapshots
            .load(disk, self.dir, up_to)
            .map_err(at(self.dir))?;
        // One from before the first segment is out of date: what producers wrote since may have been in
        // segments that are gone.
        let loaded = loaded.filter(|(_, end)| *end >= first);
        let (mut states, from) = loaded.unwrap_or_else(|| (ProducerStates::default(), first));
        // The walk has seen all headers from where it began.
        let end = if recovered.has_producers {
            log_end
        } else {
            recovered.walked_from
        };
        let mut found = AbortedBySegment::new();
        let mut on_aborted = |base: Offset, entry: AbortedTransaction| {
            if self
                .doubted_from
                .is_some_and(|doubted| entry.last >= doubted)
            {
                found.entry(base).or_default().push(entry);
            }
        };
        let replay = Replay {
            disk,
            dir: self.dir,
            segments: &recovered.segments,
            verified_from: recovered.walked_from,
            gaps_allowed: self.gaps_allowed,
        };
        replay.run(from, end, &mut states, &mut on_aborted)?;
        self.write_snapshot(&mut snapshots, &states, log_end)?;
        Ok((states, snapshots, found))
    }

    /// Spares the next start the same work.
    fn write_snapshot(
        &self,
        snapshots: &mut SnapshotFiles,
        states: &ProducerStates,
        log_end: Offset,
    ) -> Result<(), OpenError> {
        let disk = self.context.disk.as_ref();
        let first = self.recovered.segments[0].0;
        if snapshots.latest().unwrap_or(first) < log_end
            && let Err(error) = snapshots.write(disk, self.dir, states, log_end)
        {
            let error = ChangeError::from(error);
            let latch = &self.context.latch;
            latch.refused("write a snapshot in", self.dir, &error)?;
            tracing::warn!(dir = %self.dir.display(), %error, "producer snapshot not written");
        }
        let strays = snapshots.remove_strays(disk, self.dir, &self.bases);
        strays.map_err(unchanged(self.context, self.dir))
    }

    /// Brings the index files in line with what was found.
    fn write_aborted(
        &self,
        mut found: AbortedBySegment,
    ) -> Result<(IndexTail<AbortedTransaction>, BTreeSet<Offset>), OpenError> {
        let last = self.recovered.segments[self.recovered.segments.len() - 1].0;
        let count = |bytes: &u64| usize::try_from(*bytes).unwrap_or(0) / AbortedTransaction::BYTES;
        let mut tail = IndexTail {
            written: self.aborted.get(&last).map_or(0, count),
            pending: Vec::new(),
        };
        let mut others: BTreeSet<Offset> = self
            .aborted
            .iter()
            .filter(|(base, bytes)| **base != last && **bytes > 0)
            .map(|(base, _)| *base)
            .collect();
        let Some(doubted) = self.doubted_from else {
            return Ok((tail, others));
        };
        let begun = self.bases.range(..=doubted).next_back().copied();
        for &base in self.bases.range(begun.unwrap_or(doubted)..) {
            let kept = self
                .load(base)?
                .unwrap_or_default()
                .partition_point(|entry| entry.last < doubted);
            let mut entries = IndexTail {
                written: kept,
                pending: found.remove(&base).unwrap_or_default(),
            };
            self.write_file(base, &mut entries, base != last)?;
            if base == last {
                tail = entries;
            } else if entries.written > 0 {
                others.insert(base);
            } else {
                others.remove(&base);
            }
        }
        Ok((tail, others))
    }

    fn write_file(
        &self,
        base: Offset,
        entries: &mut IndexTail<AbortedTransaction>,
        complete: bool,
    ) -> Result<(), OpenError> {
        let path = SegmentFile::Aborted.path(self.dir, base);
        let kept_bytes = (entries.written * AbortedTransaction::BYTES) as u64;
        let adds = complete && !entries.pending.is_empty();
        if !self.aborted.contains_key(&base) && !adds {
            return Ok(());
        }
        let disk = self.context.disk.as_ref();
        let write = || -> io::Result<_> {
            let file = disk.open(&path, OpenHow::OrCreate)?;
            if file.bytes()? != kept_bytes {
                file.truncate(kept_bytes)?;
            }
            if adds {
                file.write_all_at(kept_bytes, &entries.encode_pending())?;
            }
            Ok(file)
        };
        let file = write().map_err(unchanged(self.context, &path))?;
        if adds {
            sync_data(file.as_ref())
                .and_then(|()| sync_dir(self.context, self.dir))
                .map_err(unchanged(self.context, &path))?;
            entries.written += entries.pending.len();
            entries.pending.clear();
        }
        Ok(())
    }
}
