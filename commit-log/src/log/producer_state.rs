//! How a log keeps what it knows about producers: at the roll of a segment, at a truncation, for
//! readers, for the cleaner.

use std::io;
use std::sync::Arc;

use trimaran_types::record_batch::{BatchHeader, RecordBatch};
use trimaran_types::{Offset, Timestamp};

use super::Log;
use super::replay::{Replay, read_producer_batch};
use super::run::is_exhausted;
use crate::disk::{DiskDir, DiskFile};
use crate::producers::{Draft, Origin, ProducerEnd, ProducerRefusal, ProducerStates};
use crate::reader::{ReadError, find_batch};

impl Log {
    /// Where every producer stands that the log remembers, by id.
    #[must_use]
    pub fn producer_ends(&self) -> Vec<ProducerEnd> {
        self.producers.ends()
    }

    /// The first offset of the first transaction that is open, or whose end the high watermark has
    /// not passed. Readers of committed records stop there, or at the high watermark.
    #[must_use]
    pub fn first_unstable_offset(&self) -> Option<Offset> {
        self.producers.first_unstable()
    }

    /// Takes note of the high watermark: transactions that ended below it hold nobody back.
    pub fn high_watermark_passed(&mut self, high_watermark: Offset) {
        self.producers.forget_ended_before(high_watermark);
    }

    /// Which of some clients' batches [`Log::append_as_leader`] would refuse because of their
    /// producers, if each group were appended after those that are not refused. Writes nothing. `now` is
    /// the wall clock.
    #[must_use]
    pub fn producer_refusals(
        &mut self,
        groups: &[&[RecordBatch]],
        now: Timestamp,
    ) -> Vec<Option<ProducerRefusal>> {
        let has_producer = |batch: &RecordBatch| batch.header().producer.is_some();
        if !groups.iter().any(|group| group.iter().any(has_producer)) {
            return vec![None; groups.len()];
        }
        for group in groups {
            self.prepare_producers(group, now);
        }
        let mut draft = Draft::new(&self.producers, Origin::Client);
        let mut next = self.log_end;
        groups
            .iter()
            .map(|group| {
                let before = draft.clone();
                for batch in *group {
                    let header = BatchHeader {
                        base_offset: next,
                        ..*batch.header()
                    };
                    let judged = read_producer_batch(&header, batch)
                        .map_or(Ok(()), |batch| draft.check(&batch).map(drop));
                    if let Err(refusal) = judged {
                        draft = before;
                        return Some(refusal);
                    }
                    next = header.next_offset();
                }
                None
            })
            .collect()
    }

    /// Takes a snapshot of the producers for a segment that starts at `base`, unsynced. A full disk
    /// costs the next start some time; any other refusal ends the directory.
    pub(super) fn snapshot_producers(&mut self, base: Offset) -> Option<Arc<dyn DiskFile>> {
        let disk = Arc::clone(&self.context().disk);
        let dir = self.dir().to_owned();
        let written = self
            .snapshots
            .write(disk.as_ref(), &dir, &self.producers, base);
        match written {
            Ok(file) => Some(file),
            Err(error) if !is_exhausted(&error) => {
                let latch = &self.context().latch;
                latch.fail("write a snapshot of producers in", &dir, &error);
                None
            }
            Err(error) => {
                // A restart starts from an earlier one.
                tracing::warn!(dir = %dir.display(), %error, "producer snapshot not written");
                if let Err(error) = self.snapshots.remove(disk.as_ref(), &dir, base) {
                    self.context()
                        .latch
                        .fail("remove a snapshot of", &dir, &error);
                }
                None
            }
        }
    }

    /// The producers as they stood when the log ended at `end`.
    pub(super) fn producers_before(&mut self, end: Offset) -> Result<ProducerStates, ReadError> {
        if self.producers.is_empty() {
            return Ok(ProducerStates::default());
        }
        let disk = Arc::clone(&self.context().disk);
        let dir = self.dir().to_owned();
        let segments: Vec<_> = {
            let state = self.shared.read();
            let views = state.segments.iter();
            views.map(|view| (view.base, view.bytes)).collect()
        };
        let loaded = self
            .snapshots
            .load(disk.as_ref(), &dir, end)
            .map_err(|source| ReadError::Io {
                path: dir.clone(),
                source,
            })?;
        // What lies below the segment that holds the log start was deleted, and may be there in part; a
        // snapshot from before it is out of date.
        let first = segments.partition_point(|(base, _)| *base <= self.log_start);
        let first = segments[first.saturating_sub(1)].0;
        let loaded = loaded.filter(|(_, end)| *end >= first);
        let (mut states, from) = loaded.unwrap_or_else(|| (ProducerStates::default(), first));
        // An index that is no help costs a walk.
        let is_inside = from < end && !segments.iter().any(|(base, _)| *base == from);
        let begins = match is_inside {
            true => find_batch(&self.shared, from).ok().flatten(),
            false => None,
        };
        let replay = Replay {
            disk: disk.as_ref(),
            dir: &dir,
            segments: &segments,
            begins: begins.map(|found| found.placed),
            verified_from: Offset(i64::MAX),
            gaps_allowed: self.config.compacted,
        };
        replay.run(from, end, &mut states, &mut |_, _| {})?;
        Ok(states)
    }

    /// Removes the snapshots of a log that reached beyond `end`, durably.
    pub(super) fn remove_snapshots_beyond(
        &mut self,
        end: Offset,
        names: &dyn DiskDir,
    ) -> io::Result<()> {
        let disk = Arc::clone(&self.context().disk);
        let dir = self.dir().to_owned();
        if self.snapshots.remove_beyond(disk.as_ref(), &dir, end)? {
            names.sync()?;
        }
        Ok(())
    }

    /// Brings the state up to what is needed to judge clients' batches.
    pub(super) fn prepare_producers(&mut self, batches: &[RecordBatch], now: Timestamp) {
        if batches
            .iter()
            .any(|batch| batch.header().producer.is_some())
        {
            self.expire_producers(now);
            self.look_back_for(batches);
        }
    }

    /// Forgets producers that were not heard of for long.
    pub(super) fn expire_producers(&mut self, now: Timestamp) {
        self.producers
            .expire(now, self.config.producer_id_expiration_ms);
    }
}
