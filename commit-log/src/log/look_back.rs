//! What a snapshot of producers does not have: the batches before each one's last, looked for in the log
//! when a batch comes that may repeat one of them.
//!
//! A repetition is answered with the offset of what is found, so it is believed as a reader believes it:
//! each batch joins the next one, and those that are told have a good checksum.

use std::collections::VecDeque;

use trimaran_types::record_batch::{EndMarker, RecordBatch};
use trimaran_types::{Offset, ProducerId};

use super::Log;
use super::replay::read_producer_batch;
use crate::behind::Behind;
use crate::damage::Damage;
use crate::disk::OpenHow;
use crate::header_hop::{HeaderHop, HopError, PlacedHeader};
use crate::names::SegmentFile;
use crate::producers::{BATCHES_REMEMBERED, ProducerBatch};
use crate::reader::{ReadError, find_batch};
use crate::shared::SegmentView;

/// How far back in the log older batches of a producer are looked for, step by step, in offsets. Only
/// the last step may have more batches than are looked at.
const LOOK_BACK_OFFSETS: [i64; 4] = [1 << 10, 1 << 14, 1 << 16, 1 << 18];

/// Most batches that are looked at in one step.
const LOOK_BACK_BATCHES_MAX: usize = 100_000;

/// The last batches of a producer that were found, oldest first; as many as are remembered.
type Found = VecDeque<(SegmentView, PlacedHeader)>;

impl Log {
    /// Looks in the log for what the batches may repeat, where a snapshot had only the producer's
    /// last batch. Done once for a producer; what is not found is refused as out of order.
    pub(super) fn look_back_for(&mut self, batches: &[RecordBatch]) {
        for batch in batches {
            let Some(batch) = read_producer_batch(batch.header(), batch) else {
                continue;
            };
            let Some(before) = self.producers.look_back_before(&batch) else {
                continue;
            };
            match self.earlier_batches(batch.producer, before) {
                Ok(found) => self.producers.looked_back(batch.producer, &found),
                Err(error) => {
                    tracing::warn!(dir = %self.dir().display(), %error, producer = %batch.producer, "earlier batches of a producer cannot be read");
                }
            }
        }
    }

    /// Batches of a producer right before `before`, oldest first: as many as are remembered, or
    /// what there is. A step that had to end early came from the far end and knows nothing of what is
    /// near: what the step before it has found stands.
    fn earlier_batches(
        &self,
        producer: ProducerId,
        before: Offset,
    ) -> Result<Vec<ProducerBatch>, ReadError> {
        let start = self.log_start;
        let mut found = Found::new();
        for distance in LOOK_BACK_OFFSETS {
            let from = Offset(before.0.saturating_sub(distance)).max(start);
            let Some(all) = self.batches_of(producer, from, before)? else {
                break;
            };
            found = all;
            if found.len() >= BATCHES_REMEMBERED || from == start {
                break;
            }
        }
        found.iter().map(|batch| self.verified(batch)).collect()
    }

    /// The last of a producer's batches between two offsets; `None` when there are more batches between
    /// them than are looked at.
    fn batches_of(
        &self,
        producer: ProducerId,
        from: Offset,
        before: Offset,
    ) -> Result<Option<Found>, ReadError> {
        let gaps_allowed = self.shared.gaps_allowed();
        let mut found = Found::new();
        let mut looked_at = 0;
        let mut next = from;
        while next < before
            && let Some(batch) = find_batch(&self.shared, next)?
        {
            let segment = batch.segment;
            next = batch.placed.header.base_offset;
            let file = self
                .shared
                .file(&segment, SegmentFile::Log, OpenHow::Existing)
                .map_err(|source| self.cannot_read(&segment, source))?;
            let mut position = batch.placed.position;
            for step in HeaderHop::new(file.as_ref(), position, segment.bytes) {
                let placed = step.map_err(|error| match error {
                    HopError::Io(source) => self.cannot_read(&segment, source),
                    HopError::Batch { position, cause } => {
                        self.damaged(&segment, (position, next), cause.into())
                    }
                })?;
                let header = placed.header;
                Behind::Batch(Some(header.base_offset))
                    .joins(next, gaps_allowed)
                    .map_err(|cause| self.damaged(&segment, (position, next), cause))?;
                (position, next) = (placed.position, header.next_offset());
                looked_at += 1;
                if header.base_offset >= before {
                    return Ok(Some(found));
                }
                if looked_at > LOOK_BACK_BATCHES_MAX {
                    return Ok(None);
                }
                // The end of a transaction is no batch that a client repeats.
                if header.producer.is_some_and(|other| other.id == producer)
                    && !header.attributes.is_control()
                {
                    found.push_back((segment, placed));
                    if found.len() > BATCHES_REMEMBERED {
                        found.pop_front();
                    }
                }
            }
            Behind::End(batch.segment_end)
                .joins(next, gaps_allowed)
                .map_err(|cause| self.damaged(&segment, (position, next), cause))?;
        }
        Ok(Some(found))
    }

    /// A batch that was found by its header, its checksum verified.
    fn verified(
        &self,
        (segment, placed): &(SegmentView, PlacedHeader),
    ) -> Result<ProducerBatch, ReadError> {
        let file = self
            .shared
            .file(segment, SegmentFile::Log, OpenHow::Existing)
            .map_err(|source| self.cannot_read(segment, source))?;
        let mut raw = Vec::new();
        file.read_at(placed.position, placed.header.total_bytes(), &mut raw)
            .map_err(|source| self.cannot_read(segment, source))?;
        let at = (placed.position, placed.header.base_offset);
        let batch = RecordBatch::parse(raw.into());
        let batch = batch.map_err(|cause| self.damaged(segment, at, cause.into()))?;
        let found = ProducerBatch::of(batch.header(), || None::<EndMarker>);
        // It named one when its header was read, a moment ago.
        let changed = || Damage::OffsetOutOfOrder {
            expected: at.1,
            found: batch.header().base_offset,
        };
        found.ok_or_else(|| self.damaged(segment, at, changed()))
    }

    fn cannot_read(&self, segment: &SegmentView, source: std::io::Error) -> ReadError {
        ReadError::Io {
            path: self.shared.path(SegmentFile::Log, segment.base),
            source,
        }
    }

    fn damaged(
        &self,
        segment: &SegmentView,
        (position, offset): (u64, Offset),
        cause: Damage,
    ) -> ReadError {
        ReadError::Corrupt {
            file: self.shared.path(SegmentFile::Log, segment.base),
            position,
            offset,
            cause,
        }
    }
}
