//! [`Transactions`]: those that are open, and those that ended above the high watermark.

use std::collections::BTreeMap;

use trimaran_types::Offset;

/// The transactions of one log that hold readers of committed records back.
///
/// At most one is open for each producer, which bounds them. Ended ones go as the high watermark
/// passes their markers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Transactions {
    /// First offsets of open ones.
    open: std::collections::BTreeSet<Offset>,
    /// First offset of ended ones, and the offset of the marker.
    ended: BTreeMap<Offset, Offset>,
}

impl Transactions {
    pub(super) fn begin(&mut self, first: Offset) {
        self.open.insert(first);
    }

    /// Ends the transaction that began at `first` by the marker at `marker`. Tells the last stable
    /// offset that follows: where the next open one began, or right after the marker.
    pub(super) fn end(&mut self, first: Offset, marker: Offset) -> Offset {
        self.open.remove(&first);
        self.ended.insert(first, marker);
        self.open.first().copied().unwrap_or_else(|| marker.next())
    }

    /// Forgets ended ones whose markers lie below `high_watermark`.
    pub(super) fn forget_ended_before(&mut self, high_watermark: Offset) {
        if !self.ended.is_empty() {
            self.ended.retain(|_, marker| *marker >= high_watermark);
        }
    }

    /// The first offset of the first one that holds readers back.
    pub(super) fn first_unstable(&self) -> Option<Offset> {
        let ended = self.ended.keys().next();
        self.open.first().into_iter().chain(ended).min().copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.ended.is_empty()
    }
}
