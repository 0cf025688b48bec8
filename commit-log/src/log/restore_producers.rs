//! What a log knows about producers after it was opened: the latest snapshot that can be believed,
//! and the batches behind it; and its indexes of aborted transactions, rebuilt from where they can
//! no longer be believed: an index is what `txnindex-checksums` says, or it is made anew.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use trimaran_types::Offset;

use super::open::{Listing, OpenAs, OpenError, at, sync_dir, unchanged};
use super::recover::Recovered;
use super::replay::Replay;
use crate::aborted::{AbortedSum, AbortedSums, AbortedTail, AbortedTransaction, parse_sums};
use crate::atomic_file;
use crate::change_error::{ChangeError, sync_data, sync_names};
use crate::context::LogContext;
use crate::disk::OpenHow;
use crate::names::{ABORTED_SUMS, SegmentFile};
use crate::producers::{ProducerStates, SnapshotFiles};

/// What was restored.
pub(super) struct Restored {
    pub states: ProducerStates,
    pub snapshots: SnapshotFiles,
    /// Of the last segment.
    pub aborted: AbortedTail,
    /// Of other segments that have some.
    pub aborted_in: AbortedSums,
    /// What `txnindex-checksums` holds; `None` when it is damaged.
    pub sums_on_disk: Option<AbortedSums>,
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
            sums: None,
            doubted_from: (!clean).then_some(recovered.walked_from),
            log_start: log_start.min(recovered.log_end),
            gaps_allowed,
        };
        restoring.remove_orphans()?;
        restoring.load_sums()?;
        restoring.doubt_damaged()?;
        let (states, snapshots, found) = restoring.replay(self.snapshots)?;
        let (aborted, aborted_in) = restoring.write_aborted(found)?;
        Ok(Restored {
            states,
            snapshots,
            aborted,
            aborted_in,
            sums_on_disk: restoring.sums,
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
    /// What each index holds, as it was noted; `None` when nobody knows.
    sums: Option<AbortedSums>,
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

    /// Learns what was noted. Where there are indexes and no note, somebody else has written them.
    fn load_sums(&mut self) -> Result<(), OpenError> {
        let path = self.dir.join(ABORTED_SUMS);
        let has_none = self.aborted.values().all(|bytes| *bytes == 0);
        self.sums = match atomic_file::read_text(self.context.disk.as_ref(), &path) {
            Ok(Some(text)) => parse_sums(&text),
            Ok(None) => has_none.then(AbortedSums::new),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
            Err(error) => return Err(at(&path)(error)),
        };
        Ok(())
    }

    /// The base of the segment that has the log's start.
    fn first_kept(&self) -> Offset {
        let found = self.bases.range(..=self.log_start).next_back();
        found.map_or(self.recovered.segments[0].0, |base| *base)
    }

    /// Doubts everything from the first segment on whose index is not what was noted of it.
    fn doubt_damaged(&mut self) -> Result<(), OpenError> {
        let first = self.first_kept();
        let end = self.doubted_from.unwrap_or(Offset(i64::MAX));
        if self.sums.is_none() {
            self.doubted_from = Some(first.min(end));
            return Ok(());
        }
        let looked_at: Vec<Offset> = self.bases.range(first..).copied().collect();
        for base in looked_at.into_iter().take_while(|base| *base < end) {
            if self.noted(base)?.is_none() {
                let path = SegmentFile::Aborted.path(self.dir, base);
                tracing::warn!(file = %path.display(), "aborted transactions are not what was noted, made anew");
                self.doubted_from = Some(base);
                break;
            }
        }
        Ok(())
    }

    fn sum_of(&self, base: Offset) -> AbortedSum {
        let sum = self.sums.as_ref().and_then(|sums| sums.get(&base));
        sum.copied().unwrap_or_default()
    }

    /// The entries of a segment that were noted; `None` when the file has others. Where a part of the
    /// segment is in doubt, it may have more.
    fn noted(&self, base: Offset) -> Result<Option<Vec<AbortedTransaction>>, OpenError> {
        let sum = self.sum_of(base);
        let in_file = self.aborted.get(&base).copied().unwrap_or(0);
        let next = self.bases.range(base.next()..).next();
        let is_in_doubt = self
            .doubted_from
            .is_some_and(|from| next.is_none_or(|next| from < *next));
        if sum.bytes() != Some(in_file) && !is_in_doubt {
            return Ok(None);
        }
        if sum.entries == 0 {
            return Ok(Some(Vec::new()));
        }
        let path = SegmentFile::Aborted.path(self.dir, base);
        match self.context.disk.open(&path, OpenHow::Existing) {
            Ok(file) => sum.read_from(file.as_ref()).map_err(at(&path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(&path)(error)),
        }
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
        let first = self.first_kept();
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
            begins: None,
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
    ) -> Result<(AbortedTail, AbortedSums), OpenError> {
        let last = self.recovered.segments[self.recovered.segments.len() - 1].0;
        // What begins later, or in front of it and ends later, is made anew.
        let begun = self
            .doubted_from
            .and_then(|from| self.bases.range(..=from).next_back().copied());
        let mut tail = AbortedTail::default();
        let mut others = AbortedSums::new();
        for &base in self.bases.range(self.first_kept()..) {
            let entries = match self.doubted_from {
                Some(doubted) if begun.is_none_or(|begun| base >= begun) => {
                    let found = found.remove(&base).unwrap_or_default();
                    self.make_anew(base, doubted, found, base != last)?
                }
                _ => AbortedTail {
                    written: self.sum_of(base),
                    pending: Vec::new(),
                },
            };
            if base == last {
                tail = entries;
            } else if entries.written.entries > 0 {
                others.insert(base, entries.written);
            }
        }
        Ok((tail, others))
    }

    /// Puts what was found behind the entries that are not doubted.
    fn make_anew(
        &self,
        base: Offset,
        doubted: Offset,
        found: Vec<AbortedTransaction>,
        complete: bool,
    ) -> Result<AbortedTail, OpenError> {
        let mut kept = match base < doubted {
            true => self.noted(base)?.unwrap_or_default(),
            false => Vec::new(),
        };
        kept.retain(|entry| entry.last < doubted);
        let mut entries = AbortedTail {
            written: AbortedSum::of(&kept),
            pending: found,
        };
        self.write_file(base, &mut entries, complete)?;
        Ok(entries)
    }

    fn write_file(
        &self,
        base: Offset,
        entries: &mut AbortedTail,
        complete: bool,
    ) -> Result<(), OpenError> {
        let path = SegmentFile::Aborted.path(self.dir, base);
        // They were read from a file.
        let kept_bytes = entries.written.bytes().unwrap_or(0);
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
            entries.spilled();
        }
        Ok(())
    }
}
