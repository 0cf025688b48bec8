//! [`EpochCache`]: which leader epoch started at which offset (KIP-101, KIP-279). Pure.
//!
//! Invariant: epochs and start offsets both grow strictly. An epoch without records is forgotten
//! when the next one starts at the same offset.

use std::sync::Arc;

use trimaran_types::{LeaderEpoch, Offset};

/// Where the records of one leader epoch start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochStart {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// The offset of its first record, or where that will go.
    pub start: Offset,
}

impl EpochStart {
    /// Whether it may come right after `before`.
    pub(crate) fn follows(&self, before: &Self) -> bool {
        before.epoch < self.epoch && before.start < self.start
    }
}

/// An epoch older than one that the log already knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("leader epoch {epoch} is older than the log's latest epoch {latest}")]
pub struct StaleEpoch {
    /// The epoch that was to start.
    pub epoch: LeaderEpoch,
    /// The latest one.
    pub latest: LeaderEpoch,
}

/// The epochs of one log, oldest first. Cheap to clone: readers hold it as it was when they began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EpochCache {
    entries: Arc<[EpochStart]>,
}

impl EpochCache {
    /// Takes entries in order; those that break the invariant are an error.
    pub(crate) fn from_entries(entries: Vec<EpochStart>) -> Option<Self> {
        let grows = |pair: &[EpochStart]| pair[1].follows(&pair[0]);
        let entries = entries.windows(2).all(grows).then_some(entries)?;
        Some(Self {
            entries: entries.into(),
        })
    }

    /// The entries, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[EpochStart] {
        &self.entries
    }

    /// The latest epoch, with or without records.
    #[must_use]
    pub fn latest(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|entry| entry.epoch)
    }

    /// Starts `epoch` at `start`. The latest epoch again changes nothing.
    ///
    /// # Errors
    /// The epoch is older than the latest.
    pub fn assign(&mut self, epoch: LeaderEpoch, start: Offset) -> Result<(), StaleEpoch> {
        match self.latest() {
            Some(latest) if latest > epoch => return Err(StaleEpoch { epoch, latest }),
            Some(latest) if latest == epoch => return Ok(()),
            _ => {}
        }
        self.truncate_from(start);
        let entries = self.entries.iter().copied();
        self.entries = entries.chain([EpochStart { epoch, start }]).collect();
        Ok(())
    }

    /// Forgets the epochs that start at `end` or later: their records are gone.
    pub fn truncate_from(&mut self, end: Offset) {
        let kept = self.entries.partition_point(|entry| entry.start < end);
        if kept < self.entries.len() {
            self.entries = self.entries[..kept].into();
        }
    }

    /// Forgets the epochs whose records all lie below `start`, the log's new start, so that the
    /// list stays short. The one that holds `start` goes on starting where it did: its records may
    /// all be gone, but it is no epoch without records, which a truncation forgets.
    pub fn raise_start(&mut self, start: Offset) {
        let covered = self.entries.partition_point(|entry| entry.start <= start);
        if let Some(gone @ 1..) = covered.checked_sub(1) {
            self.entries = self.entries[gone..].into();
        }
    }

    /// The epoch of the record at `offset`, which is in the log; `None` before the first one known.
    #[must_use]
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        let next = self.entries.partition_point(|entry| entry.start <= offset);
        Some(self.entries[next.checked_sub(1)?].epoch)
    }

    /// The largest known epoch not above `epoch`, and where its records end; `None` when `epoch`
    /// is newer than the latest or nothing is known. Before the first epoch the answer is `epoch`
    /// itself, ending where the first one starts.
    #[must_use]
    pub fn end_offset_for(
        &self,
        epoch: LeaderEpoch,
        log_end: Offset,
    ) -> Option<(LeaderEpoch, Offset)> {
        let latest = self.latest()?;
        if epoch > latest {
            return None;
        }
        let next = self.entries.partition_point(|entry| entry.epoch <= epoch);
        let end = self.entries.get(next).map_or(log_end, |entry| entry.start);
        let floor = next
            .checked_sub(1)
            .map_or(epoch, |at| self.entries[at].epoch);
        Some((floor, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(entries: &[(i32, i64)]) -> EpochCache {
        let mut cache = EpochCache::default();
        for &(epoch, start) in entries {
            cache
                .assign(LeaderEpoch(epoch), Offset(start))
                .expect("in order");
        }
        cache
    }

    fn pairs(cache: &EpochCache) -> Vec<(i32, i64)> {
        cache
            .entries()
            .iter()
            .map(|e| (e.epoch.0, e.start.0))
            .collect()
    }

    #[test]
    fn end_offsets_follow_kafkas_table() {
        let cache = cache(&[(2, 10), (4, 20), (7, 35)]);
        let table = [
            (0, Some((0, 10))),
            (1, Some((1, 10))),
            (2, Some((2, 20))),
            (3, Some((2, 20))),
            (4, Some((4, 35))),
            (6, Some((4, 35))),
            (7, Some((7, 50))),
            (8, None),
        ];
        for (epoch, expected) in table {
            let found = cache.end_offset_for(LeaderEpoch(epoch), Offset(50));
            assert_eq!(found.map(|(e, o)| (e.0, o.0)), expected, "epoch {epoch}");
        }
        assert_eq!(
            EpochCache::default().end_offset_for(LeaderEpoch(0), Offset(5)),
            None
        );
    }

    #[test]
    fn an_offset_has_the_epoch_that_started_last() {
        let known = cache(&[(2, 10), (4, 20)]);
        for (offset, expected) in [
            (9, None),
            (10, Some(2)),
            (19, Some(2)),
            (20, Some(4)),
            (99, Some(4)),
        ] {
            let found = known.epoch_at(Offset(offset)).map(|epoch| epoch.0);
            assert_eq!(found, expected, "{offset}");
        }
        assert_eq!(EpochCache::default().epoch_at(Offset(0)), None);
    }

    #[test]
    fn assigning_keeps_both_columns_growing() {
        assert_eq!(
            pairs(&cache(&[(1, 0), (2, 0), (3, 5), (3, 9)])),
            [(2, 0), (3, 5)]
        );
        let mut known = cache(&[(1, 0), (5, 5)]);
        let error = known.assign(LeaderEpoch(4), Offset(9));
        assert_eq!(
            error,
            Err(StaleEpoch {
                epoch: LeaderEpoch(4),
                latest: LeaderEpoch(5)
            })
        );
        known.assign(LeaderEpoch(6), Offset(3)).expect("newer");
        assert_eq!(pairs(&known), [(1, 0), (6, 3)]);
    }

    #[test]
    fn truncation_forgets_epochs_without_records() {
        let mut known = cache(&[(1, 0), (2, 10), (3, 20)]);
        known.truncate_from(Offset(11));
        assert_eq!(pairs(&known), [(1, 0), (2, 10)]);
        known.truncate_from(Offset(10));
        assert_eq!(pairs(&known), [(1, 0)]);
    }

    #[test]
    fn a_raised_start_forgets_what_lies_below_it() {
        let table: [(i64, &[(i32, i64)]); 5] = [
            (-1, &[(1, 0), (2, 10), (3, 20)]),
            (5, &[(1, 0), (2, 10), (3, 20)]),
            (10, &[(2, 10), (3, 20)]),
            (19, &[(2, 10), (3, 20)]),
            (90, &[(3, 20)]),
        ];
        for (start, expected) in table {
            let mut known = cache(&[(1, 0), (2, 10), (3, 20)]);
            known.raise_start(Offset(start));
            assert_eq!(pairs(&known), expected, "start {start}");
        }
        let mut empty = EpochCache::default();
        empty.raise_start(Offset(5));
        assert_eq!(empty, EpochCache::default());
    }

    #[test]
    fn entries_out_of_order_are_refused() {
        let entry = |epoch, start| EpochStart {
            epoch: LeaderEpoch(epoch),
            start: Offset(start),
        };
        assert!(EpochCache::from_entries(vec![entry(1, 0), entry(2, 5)]).is_some());
        assert_eq!(
            EpochCache::from_entries(vec![entry(2, 0), entry(1, 5)]),
            None
        );
        assert_eq!(
            EpochCache::from_entries(vec![entry(1, 5), entry(2, 5)]),
            None
        );
    }
}
