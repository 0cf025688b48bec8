//! The epoch history of a leader that may not have written yet.
//!
//! The log learns a leader's epoch at its first record, not before: an epoch without records would
//! stand in the way of older records that a later leader may send. So until then the epoch that has
//! begun at the log's end is added here.

use trimaran_commit_log::EpochCache;
use trimaran_types::{LeaderEpoch, Offset};

/// The largest epoch not above `epoch` in the leader's history, and where it ends; `None` when
/// `epoch` is above the leader's own (KIP-101, KIP-279, `endOffsetFor`).
pub(super) fn end_of(
    known: &EpochCache,
    log_end: Offset,
    leader_epoch: LeaderEpoch,
    epoch: LeaderEpoch,
) -> Option<(LeaderEpoch, Offset)> {
    if epoch > leader_epoch {
        return None;
    }
    match known.latest() {
        Some(latest) if epoch <= latest => known.end_offset_for(epoch, log_end),
        // Between the last record's epoch and the leader's own, which begins at the end.
        Some(latest) if epoch < leader_epoch => Some((latest, log_end)),
        _ => Some((epoch, log_end)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_leaders_own_epoch_counts_before_its_first_record() {
        let mut known = EpochCache::default();
        for (epoch, start) in [(2, 0), (4, 20)] {
            known.assign(LeaderEpoch(epoch), Offset(start)).unwrap();
        }
        let mut assigned = known.clone();
        assigned.assign(LeaderEpoch(7), Offset(35)).unwrap();
        for epoch in 0..10 {
            let lazily = end_of(&known, Offset(35), LeaderEpoch(7), LeaderEpoch(epoch));
            let expected = assigned.end_offset_for(LeaderEpoch(epoch), Offset(35));
            assert_eq!(lazily, expected, "epoch {epoch}");
        }
    }

    #[test]
    fn a_leader_without_any_record_shares_nothing() {
        let mut assigned = EpochCache::default();
        assigned.assign(LeaderEpoch(3), Offset(0)).unwrap();
        for epoch in 0..5 {
            let lazily = end_of(
                &EpochCache::default(),
                Offset(0),
                LeaderEpoch(3),
                LeaderEpoch(epoch),
            );
            assert_eq!(
                lazily,
                assigned.end_offset_for(LeaderEpoch(epoch), Offset(0))
            );
        }
    }
}
