//! Tables for the view: change -> range, last, purged, and what a read plans.

use openraft::LogId;
use openraft::vote::leader_id_std::CommittedLeaderId;

use super::LogView;
use crate::stored_types::StoredLogId;

fn id(index: u64) -> StoredLogId {
    LogId {
        leader_id: CommittedLeaderId::new(1),
        index,
    }
}

fn items(range: std::ops::Range<u64>) -> Vec<(StoredLogId, u64, usize)> {
    range.map(|index| (id(index), index, 10)).collect()
}

fn filled(recent_bytes_max: usize) -> LogView<u64> {
    let mut view = LogView::new(0, 0, None, None, recent_bytes_max);
    view.append(items(0..5), 1, 0).unwrap();
    view.append(items(5..10), 2, 1).unwrap();
    view
}

#[test]
fn append_takes_only_what_follows() {
    let mut view = filled(1_000);
    assert_eq!(view.range(), 0..10);
    assert!(view.append(items(11..12), 3, 2).is_err());
    assert!(view.append(items(9..10), 3, 2).is_err());
    assert_eq!(view.range(), 0..10);
    let mut gap = items(10..11);
    gap.extend(items(12..13));
    assert!(view.append(gap, 3, 2).is_err());
    assert_eq!(view.range(), 0..10);
}

#[test]
fn a_fresh_log_may_begin_anywhere() {
    let mut view = LogView::new(0, 0, None, None, 1_000);
    view.append(items(7..9), 1, 0).unwrap();
    assert_eq!(view.range(), 7..9);
}

#[test]
fn unwritten_entries_are_never_evicted() {
    let mut view = LogView::new(0, 0, None, None, 15);
    view.append(items(0..3), 1, 0).unwrap();
    assert_eq!(view.plan(0, 3, 1_000).disk, 0..0);
    view.append(items(3..4), 2, 1).unwrap();
    let plan = view.plan(0, 4, 1_000);
    assert_eq!((plan.disk, plan.recent), (0..3, vec![]));
    let plan = view.plan(3, 4, 1_000);
    assert_eq!((plan.disk, plan.recent), (3..3, vec![3]));
}

#[test]
fn truncation_drops_the_tail() {
    let mut view = filled(1_000);
    assert_eq!(view.truncate_after(Some(id(9))), 10..10);
    assert_eq!(view.truncate_after(Some(id(6))), 7..10);
    assert_eq!((view.range(), view.last()), (0..7, Some(id(6))));
    assert_eq!(view.plan(0, 100, 1_000).recent, vec![0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(view.truncate_after(None), 0..7);
    assert_eq!((view.range(), view.last()), (0..0, None));
}

#[test]
fn truncation_never_reaches_below_what_was_purged() {
    let mut view = filled(1_000);
    assert_eq!(view.purge(id(4)), Some(0..5));
    assert_eq!(view.truncate_after(None), 5..10);
    assert_eq!((view.range(), view.last()), (5..5, Some(id(4))));
    assert!(view.append(items(6..7), 3, 2).is_err());
    view.append(items(5..6), 3, 2).unwrap();
}

#[test]
fn purge_may_pass_the_end() {
    let mut view = filled(1_000);
    assert_eq!(view.purge(id(20)), Some(0..10));
    assert_eq!(
        (view.range(), view.last(), view.last_purged()),
        (21..21, Some(id(20)), Some(id(20)))
    );
    assert_eq!(view.purge(id(20)), None);
    assert_eq!(view.purge(id(3)), None);
    let mut empty = LogView::<u64>::new(0, 0, None, None, 10);
    assert_eq!(empty.purge(id(5)), Some(0..0));
    assert_eq!(empty.range(), 6..6);
}

#[test]
fn a_plan_is_clipped_and_bounded() {
    let mut view = filled(1_000);
    view.purge(id(1)).unwrap();
    let plan = view.plan(0, 100, 1_000);
    assert_eq!((plan.disk, plan.recent.len()), (2..2, 8));
    assert_eq!(view.plan(4, 8, 25).recent, vec![4, 5]);
    assert_eq!(view.plan(4, 8, 1).recent, vec![4]);
    assert!(view.plan(10, 12, 1_000).recent.is_empty());
}
