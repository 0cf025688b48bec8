//! [`Copying`]: one group of segments, copied without what goes, and swapped in.

use super::keeping::{Keeping, Kept};
use super::pass::Task;
use super::segment_batches::SegmentBatches;
use super::segment_copy::{SegmentCopy, remove_copy};
use super::{CleanControl, CleanError, CleanedSegment};
use crate::aborted::{AbortedSum, AbortedTransaction};
use crate::shared::SegmentView;
use trimaran_types::Offset;

/// The copying of one group.
pub(super) struct Copying<'a> {
    pub(super) task: &'a Task<'a>,
    pub(super) sources: &'a [SegmentView],
    /// Where the next segment begins.
    pub(super) end: Offset,
    pub(super) io_bytes: usize,
    pub(super) interval_bytes: u32,
}

impl<'a> Copying<'a> {
    /// Copies the group and has it swapped in, unless nothing of it would change. Tells the bytes
    /// that are left.
    pub(super) fn run(
        &self,
        keeping: &mut Keeping<'_>,
        control: &mut dyn CleanControl,
    ) -> Result<u64, CleanError> {
        let base = self.sources[0].base;
        let copied = self.copy(keeping, control);
        if copied.is_err() {
            remove_copy(self.task.shared, base);
        }
        let Some(bytes) = copied? else {
            return Ok(self.sources.iter().map(|source| source.bytes).sum());
        };
        let truncations = self.task.plan.truncations;
        let aborted = AbortedSum::of(&self.aborted(keeping));
        let cleaned = CleanedSegment::new(self.sources.to_vec(), bytes, truncations, aborted);
        match control.replace(cleaned) {
            Ok(replaced) => replaced.remove_old_files(),
            Err(error) => {
                remove_copy(self.task.shared, base);
                return Err(error.into());
            }
        }
        Ok(bytes)
    }

    /// Writes what stays. `None` when a single segment stays as it is; then nothing was written.
    fn copy(
        &self,
        keeping: &mut Keeping<'_>,
        control: &mut dyn CleanControl,
    ) -> Result<Option<u64>, CleanError> {
        let mut copy = match self.sources {
            [_] => None,
            _ => Some(self.create()?),
        };
        keeping.markers_gone.clear();
        let mut written_at = None;
        for (at, source) in self.sources.iter().enumerate() {
            let next = self.sources.get(at + 1).map(|next| next.base);
            let (is_last_source, end) = (next.is_none(), next.unwrap_or(self.end));
            let mut batches = SegmentBatches::open(self.task.shared, source, end, self.io_bytes)?;
            written_at = batches.written_at().max(written_at);
            loop {
                let position = batches.position();
                let Some(batch) = batches.next()? else { break };
                self.task.go_on_after(batches.take_read_bytes(), control)?;
                let is_last = is_last_source && batches.position() >= source.bytes;
                let kept = keeping
                    .judge(&batch, is_last)
                    .map_err(|cause| CleanError::Records {
                        path: batches.path().clone(),
                        offset: batch.header().base_offset,
                        cause,
                    })?;
                if kept != Kept::Whole && copy.is_none() {
                    copy = Some(self.create_with_front(source, position, control)?);
                }
                let written = match (&mut copy, &kept) {
                    (Some(copy), Kept::Whole) => copy.push(&batch)?,
                    (Some(copy), Kept::Part(part)) => copy.push(part)?,
                    _ => 0,
                };
                self.task.go_on_after(written, control)?;
            }
        }
        let aborted = self.aborted(keeping);
        copy.map(|copy| copy.finish(&aborted, written_at))
            .transpose()
    }

    /// The aborted transactions whose markers lie in the group and stay. Their records are gone, but
    /// a reader may have read them before.
    fn aborted(&self, keeping: &Keeping<'_>) -> Vec<AbortedTransaction> {
        let base = self.sources[0].base;
        let here = |entry: &&AbortedTransaction| {
            entry.last >= base
                && entry.last < self.end
                && !keeping.markers_gone.contains(&entry.last)
        };
        self.task.aborted.iter().filter(here).copied().collect()
    }

    fn create(&self) -> Result<SegmentCopy<'a>, CleanError> {
        SegmentCopy::create(
            self.task.shared,
            self.sources[0].base,
            self.io_bytes,
            self.interval_bytes,
        )
    }

    /// A copy that begins with the first `end` bytes of the source as they are.
    fn create_with_front(
        &self,
        source: &SegmentView,
        end: u64,
        control: &mut dyn CleanControl,
    ) -> Result<SegmentCopy<'a>, CleanError> {
        let mut copy = self.create()?;
        let front = SegmentBatches::open(self.task.shared, source, self.end, self.io_bytes)?;
        let mut front = front.up_to(end);
        while let Some(batch) = front.next()? {
            let bytes = front.take_read_bytes() + copy.push(&batch)?;
            self.task.go_on_after(bytes, control)?;
        }
        Ok(copy)
    }
}
