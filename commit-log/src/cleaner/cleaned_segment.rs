//! [`CleanedSegment`]: a copy that is whole, durable, and waits to be swapped in.

use trimaran_types::Offset;

use crate::aborted::AbortedSum;
use crate::shared::SegmentView;

/// The cleaned copy of neighbouring segments, under its `.cleaned` names.
#[derive(Debug)]
pub struct CleanedSegment {
    sources: Vec<SegmentView>,
    bytes: u64,
    truncations: u64,
    aborted: AbortedSum,
}

impl CleanedSegment {
    /// Of `sources`, of which there is one at least, read when the log had been cut `truncations`
    /// times.
    pub(super) const fn new(
        sources: Vec<SegmentView>,
        bytes: u64,
        truncations: u64,
        aborted: AbortedSum,
    ) -> Self {
        Self {
            sources,
            bytes,
            truncations,
            aborted,
        }
    }

    /// Where it starts: with the first of its sources.
    #[must_use]
    pub fn base(&self) -> Offset {
        self.sources[0].base
    }

    /// Bytes of its batches.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn sources(&self) -> &[SegmentView] {
        &self.sources
    }

    /// Its index of aborted transactions; it has none without entries.
    pub(crate) const fn aborted(&self) -> AbortedSum {
        self.aborted
    }

    pub(crate) const fn truncations(&self) -> u64 {
        self.truncations
    }
}
