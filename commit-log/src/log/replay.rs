//! Showing batches that are in the log to the state of its producers.

use std::path::Path;

use trimaran_types::Offset;
use trimaran_types::record_batch::{BatchHeader, EndMarker, RecordBatch};

use crate::aborted::AbortedTransaction;
use crate::behind::Behind;
use crate::damage::Damage;
use crate::disk::{Disk, DiskFile, OpenHow};
use crate::header_hop::{HeaderHop, HopError, PlacedHeader};
use crate::names::SegmentFile;
use crate::producers::{ProducerBatch, ProducerStates};
use crate::reader::ReadError;

/// The segments that are walked.
pub(crate) struct Replay<'a> {
    pub disk: &'a dyn Disk,
    pub dir: &'a Path,
    /// Base and bytes of each, oldest first.
    pub segments: &'a [(Offset, u64)],
    /// The first batch that reaches beyond where the replay begins, if it was found; else the headers of
    /// its segment are walked to it.
    pub begins: Option<PlacedHeader>,
    /// Batches from here on were verified by checksum just now.
    pub verified_from: Offset,
    /// Offsets may have gaps inside of a segment.
    pub gaps_allowed: bool,
}

impl Replay<'_> {
    /// Shows `states` the batches that reach beyond `from` and begin before `end`. `on_aborted` is
    /// told of aborted transactions and the base of the segment that has the marker.
    ///
    /// Only headers are read, and the batches of producers that were not verified.
    ///
    /// # Errors
    /// A batch is damaged or does not join the next one, or the system refused.
    pub(crate) fn run(
        &self,
        from: Offset,
        end: Offset,
        states: &mut ProducerStates,
        on_aborted: &mut dyn FnMut(Offset, AbortedTransaction),
    ) -> Result<(), ReadError> {
        let first = self
            .segments
            .partition_point(|(base, _)| *base <= from)
            .saturating_sub(1);
        for (at, &(base, bytes)) in self.segments.iter().enumerate().skip(first) {
            if base >= end {
                break;
            }
            if bytes == 0 {
                continue;
            }
            let begins = self.begins.filter(|_| at == first);
            let (position, mut end_before) =
                begins.map_or((0, base), |it| (it.position, it.header.base_offset));
            let path = SegmentFile::Log.path(self.dir, base);
            let io_error = |source| ReadError::Io {
                path: path.clone(),
                source,
            };
            let corrupt = |position, cause| ReadError::Corrupt {
                file: path.clone(),
                position,
                offset: base,
                cause,
            };
            let check_join = |behind: Behind, end, position| {
                let joined = behind.joins(end, self.gaps_allowed);
                joined.map_err(|cause| corrupt(position, cause))
            };
            let file = self.disk.open(&path, OpenHow::Existing).map_err(io_error)?;
            for step in HeaderHop::new(file.as_ref(), position, bytes) {
                let placed = step.map_err(|error| match error {
                    HopError::Io(source) => io_error(source),
                    HopError::Batch { position, cause } => corrupt(position, cause.into()),
                })?;
                let behind = Behind::Batch(Some(placed.header.base_offset));
                check_join(behind, end_before, placed.position)?;
                end_before = placed.header.next_offset();
                if placed.header.last_offset() < from {
                    continue;
                }
                if placed.header.base_offset >= end {
                    return Ok(());
                }
                if placed.header.producer.is_none() {
                    continue;
                }
                let batch = self
                    .producer_batch(file.as_ref(), &placed)
                    .map_err(io_error)?
                    .map_err(|cause| corrupt(placed.position, cause))?;
                if let Some(aborted) = batch.and_then(|batch| states.apply(&batch, None)) {
                    on_aborted(base, aborted);
                }
            }
            if let Some((next, _)) = self.segments.get(at + 1) {
                check_join(Behind::End(*next), end_before, bytes)?;
            }
        }
        Ok(())
    }

    fn producer_batch(
        &self,
        file: &dyn DiskFile,
        placed: &PlacedHeader,
    ) -> std::io::Result<Result<Option<ProducerBatch>, Damage>> {
        let header = &placed.header;
        let is_verified = header.base_offset >= self.verified_from;
        if is_verified && !header.attributes.is_control() {
            return Ok(Ok(ProducerBatch::of(header, || None)));
        }
        let mut raw = Vec::new();
        file.read_at(placed.position, header.total_bytes(), &mut raw)?;
        Ok(RecordBatch::parse(raw.into())
            .map(|batch| read_producer_batch(batch.header(), &batch))
            .map_err(Damage::from))
    }
}

/// What of a whole batch concerns its producer.
pub(super) fn read_producer_batch(
    header: &BatchHeader,
    batch: &RecordBatch,
) -> Option<ProducerBatch> {
    ProducerBatch::of(header, || EndMarker::read(batch))
}
