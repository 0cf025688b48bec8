//! [`LogView`]: where the log begins and ends, and its recent entries. Pure.
//!
//! Invariants, checked by `validate` after each change in debug builds:
//! - `first <= next`; the log is empty when they are equal;
//! - the recent entries are consecutive and end right before `next`;
//! - an entry that the writer has not written yet is among them.

use std::collections::VecDeque;

use crate::stored_types::StoredLogId;

/// A change that the log cannot take.
#[derive(Debug, thiserror::Error)]
#[error("entry {found} cannot follow: entry {expected} comes next")]
pub(crate) struct NotConsecutive {
    pub(crate) expected: u64,
    pub(crate) found: u64,
}

struct Recent<E> {
    entry: E,
    bytes: usize,
    /// The number of the write that carries it.
    write: u64,
}

pub(crate) struct LogView<E> {
    first: u64,
    next: u64,
    last_purged: Option<StoredLogId>,
    last: Option<StoredLogId>,
    recent: VecDeque<Recent<E>>,
    recent_bytes: usize,
    recent_bytes_max: usize,
    /// Grows when entries leave the log, so that a read which spans disk and memory can tell.
    removals: u64,
}

/// The next step of a read: a piece from the disk, or entries from memory.
pub(crate) struct ReadPlan<E> {
    /// `[start, end)` to be read from the disk; empty when equal.
    pub(crate) disk: std::ops::Range<u64>,
    pub(crate) recent: Vec<E>,
    pub(crate) removals: u64,
}

impl<E: Clone> LogView<E> {
    /// The view of a log as found on disk: `[first, next)`, `last` its last entry or what was
    /// purged.
    pub(crate) fn new(
        first: u64,
        next: u64,
        last_purged: Option<StoredLogId>,
        last: Option<StoredLogId>,
        recent_bytes_max: usize,
    ) -> Self {
        Self {
            first,
            next,
            last_purged,
            last,
            recent: VecDeque::new(),
            recent_bytes: 0,
            recent_bytes_max,
            removals: 0,
        }
    }

    pub(crate) fn last_purged(&self) -> Option<StoredLogId> {
        self.last_purged
    }

    /// The first index that a cut after `keep` would take, if it would take any.
    pub(crate) fn first_cut(&self, keep: Option<StoredLogId>) -> Option<u64> {
        let from = keep
            .map_or(0, |log_id| log_id.index.saturating_add(1))
            .max(self.first);
        (from < self.next).then_some(from)
    }

    pub(crate) fn last(&self) -> Option<StoredLogId> {
        self.last
    }

    pub(crate) fn removals(&self) -> u64 {
        self.removals
    }

    /// `[first, next)` of what the log holds.
    #[cfg(test)]
    pub(crate) fn range(&self) -> std::ops::Range<u64> {
        self.first..self.next
    }

    /// Takes entries that write number `write` will carry. A log that never held anything may
    /// begin at any index.
    pub(crate) fn append(
        &mut self,
        entries: Vec<(StoredLogId, E, usize)>,
        write: u64,
        written: u64,
    ) -> Result<(), NotConsecutive> {
        let mut expected = self.next;
        for (place, (log_id, ..)) in entries.iter().enumerate() {
            if place == 0 && self.last.is_none() {
                expected = log_id.index;
            }
            if log_id.index != expected || expected == u64::MAX {
                return Err(NotConsecutive {
                    expected,
                    found: log_id.index,
                });
            }
            expected += 1;
        }
        for (log_id, entry, bytes) in entries {
            if self.last.is_none() {
                self.first = log_id.index;
            }
            self.next = log_id.index + 1;
            self.last = Some(log_id);
            self.recent_bytes = self.recent_bytes.saturating_add(bytes);
            self.recent.push_back(Recent {
                entry,
                bytes,
                write,
            });
        }
        self.evict(written);
        self.validate();
        Ok(())
    }

    /// Drops what comes after `keep`; everything when `None`. Returns the indexes that left.
    pub(crate) fn truncate_after(&mut self, keep: Option<StoredLogId>) -> std::ops::Range<u64> {
        let Some(from) = self.first_cut(keep) else {
            return self.next..self.next;
        };
        let removed = from..self.next;
        for _ in removed.clone() {
            let Some(recent) = self.recent.pop_back() else {
                break;
            };
            self.recent_bytes = self.recent_bytes.saturating_sub(recent.bytes);
        }
        self.next = from;
        self.last = if from == self.first {
            self.last_purged
        } else {
            keep
        };
        self.removals += 1;
        self.validate();
        removed
    }

    /// Drops everything up to `up_to`, inclusive, whether the log reaches that far or not.
    /// Returns the indexes that left, or `None` when it was purged further already.
    pub(crate) fn purge(&mut self, up_to: StoredLogId) -> Option<std::ops::Range<u64>> {
        if self
            .last_purged
            .is_some_and(|purged| purged.index >= up_to.index)
        {
            return None;
        }
        let first = up_to.index.saturating_add(1).max(self.first);
        let removed = self.first..first.min(self.next);
        while self.next.saturating_sub(self.recent.len() as u64) < first {
            let Some(recent) = self.recent.pop_front() else {
                break;
            };
            self.recent_bytes = self.recent_bytes.saturating_sub(recent.bytes);
        }
        if first >= self.next {
            self.next = first;
            self.last = Some(up_to);
        }
        self.first = first;
        self.last_purged = Some(up_to);
        self.removals += 1;
        self.validate();
        Some(removed)
    }

    /// Plans the next step of a read of `[start, end)`, clipped to what the log holds: a piece from
    /// the disk, or, when none is needed, entries from memory, no more than `bytes_max` of them
    /// but at least one.
    pub(crate) fn plan(&self, start: u64, end: u64, bytes_max: usize) -> ReadPlan<E> {
        let start = start.max(self.first);
        let end = end.min(self.next).max(start);
        let recent_start = self.next.saturating_sub(self.recent.len() as u64);
        let disk = start..end.min(recent_start).max(start);
        let mut recent = Vec::new();
        if !disk.is_empty() {
            return ReadPlan {
                disk,
                recent,
                removals: self.removals,
            };
        }
        let skip = usize::try_from(start - recent_start.min(start)).unwrap_or(usize::MAX);
        let take = usize::try_from(end - start).unwrap_or(usize::MAX);
        let mut bytes = 0_usize;
        for item in self.recent.iter().skip(skip).take(take) {
            bytes = bytes.saturating_add(item.bytes);
            if bytes > bytes_max && !recent.is_empty() {
                break;
            }
            recent.push(item.entry.clone());
        }
        ReadPlan {
            disk,
            recent,
            removals: self.removals,
        }
    }

    fn evict(&mut self, written: u64) {
        while self.recent_bytes > self.recent_bytes_max {
            match self.recent.front() {
                Some(oldest) if oldest.write <= written => {
                    self.recent_bytes = self.recent_bytes.saturating_sub(oldest.bytes);
                    self.recent.pop_front();
                }
                _ => break,
            }
        }
    }

    fn validate(&self) {
        debug_assert!(
            self.first <= self.next,
            "first {} next {}",
            self.first,
            self.next
        );
        debug_assert!(self.recent.len() as u64 <= self.next - self.first);
        debug_assert_eq!(
            self.recent_bytes,
            self.recent.iter().map(|recent| recent.bytes).sum::<usize>()
        );
    }
}

#[cfg(test)]
#[path = "log_view_test.rs"]
mod tests;
