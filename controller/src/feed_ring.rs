//! [`FeedRing`]: the most recent applied entries, in memory, within a bound. Pure.

use std::collections::VecDeque;

use crate::type_config::LogData;

/// Most entries, whatever their size.
const ENTRIES_MAX: usize = 20_000;

/// Counted for an entry besides its bytes: what the structures around it cost.
const ENTRY_OVERHEAD_BYTES: usize = 128;

/// One applied entry of the log.
#[derive(Debug, Clone)]
pub(crate) struct AppliedEntry {
    /// Its raft index.
    pub index: u64,
    /// Its raft term.
    pub term: u64,
    /// Its records; absent on blank and membership entries.
    pub data: Option<LogData>,
}

impl AppliedEntry {
    /// What it counts for, in bytes.
    #[must_use]
    pub(crate) fn bytes(&self) -> usize {
        let data = self.data.as_ref().map_or(0, |data| data.bytes().len());
        data.saturating_add(ENTRY_OVERHEAD_BYTES)
    }
}

/// Consecutive entries that end at the last one applied.
#[derive(Debug)]
pub(crate) struct FeedRing {
    entries: VecDeque<AppliedEntry>,
    bytes: usize,
    bytes_max: usize,
}

impl FeedRing {
    /// An empty ring of at most `bytes_max` bytes.
    #[must_use]
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
            bytes_max,
        }
    }

    /// Adds the entry that was applied last; one that does not follow begins the ring anew.
    pub(crate) fn push(&mut self, entry: AppliedEntry) {
        if self
            .entries
            .back()
            .is_some_and(|last| last.index.checked_add(1) != Some(entry.index))
        {
            self.clear();
        }
        self.bytes = self.bytes.saturating_add(entry.bytes());
        self.entries.push_back(entry);
        while self.entries.len() > ENTRIES_MAX
            || (self.bytes > self.bytes_max && self.entries.len() > 1)
        {
            if let Some(oldest) = self.entries.pop_front() {
                self.bytes = self.bytes.saturating_sub(oldest.bytes());
            }
        }
    }

    /// Forgets everything: a snapshot took the place of the log.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    /// Entries from `index` on, at least one and at most `bytes_max` of them; `None` when the
    /// ring does not reach back that far.
    #[must_use]
    pub(crate) fn from(&self, index: u64, bytes_max: usize) -> Option<Vec<AppliedEntry>> {
        let first = self.entries.front()?.index;
        let skip = usize::try_from(index.checked_sub(first)?).ok()?;
        let mut bytes = 0_usize;
        let mut taken = Vec::new();
        for entry in self.entries.iter().skip(skip) {
            bytes = bytes.saturating_add(entry.bytes());
            if bytes > bytes_max && !taken.is_empty() {
                break;
            }
            taken.push(entry.clone());
        }
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u64) -> AppliedEntry {
        AppliedEntry {
            index,
            term: 1,
            data: None,
        }
    }

    fn indexes(entries: &[AppliedEntry]) -> Vec<u64> {
        entries.iter().map(|entry| entry.index).collect()
    }

    #[test]
    fn keeps_the_newest_within_its_bytes() {
        let mut ring = FeedRing::new(ENTRY_OVERHEAD_BYTES * 4);
        for index in 1..=10 {
            ring.push(entry(index));
        }
        assert!(ring.from(6, 10_000).is_none());
        assert_eq!(indexes(&ring.from(7, 10_000).unwrap()), [7, 8, 9, 10]);
        assert_eq!(indexes(&ring.from(8, 1).unwrap()), [8]);
        assert_eq!(indexes(&ring.from(11, 1).unwrap()), [0; 0]);
    }

    #[test]
    fn a_gap_begins_anew() {
        let mut ring = FeedRing::new(1_000_000);
        ring.push(entry(1));
        ring.push(entry(5));
        assert!(ring.from(1, 1).is_none());
        assert_eq!(indexes(&ring.from(5, 1).unwrap()), [5]);
        ring.clear();
        assert!(ring.from(5, 1).is_none());
    }
}
