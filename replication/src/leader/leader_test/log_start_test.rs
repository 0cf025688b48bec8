//! Where the in-sync replicas' logs begin.

use super::*;

fn told(leader: &mut Leader, replica: u32, log_start: i64) -> Option<Offset> {
    let fetch = FollowerFetch {
        log_start: Offset(log_start),
        ..fetch(replica, 9, 9)
    };
    let answer = leader.fetched(at(1), &fetch, |_| None, &mut Vec::new());
    assert!(matches!(answer, FetchAnswer::Read { .. }), "{answer:?}");
    leader.least_log_start()
}

#[test]
fn the_least_start_counts_every_in_sync_replica_and_nobody_else() {
    let mut leader = start_with(&[1, 2], SYNCED, 9);
    assert_eq!(leader.least_log_start(), None, "broker 2 has not told");
    assert_eq!(told(&mut leader, 2, 0), Some(Offset(0)));
    leader.log_start_raised(Offset(5));
    assert_eq!(leader.least_log_start(), Some(Offset(0)));
    assert_eq!(told(&mut leader, 2, 4), Some(Offset(4)));
    assert_eq!(told(&mut leader, 2, 5), Some(Offset(5)));
    assert_eq!(
        told(&mut leader, 2, 7),
        Some(Offset(5)),
        "the leader's own counts"
    );
}

#[test]
fn a_replica_that_keeps_what_was_deleted_does_not_join() {
    let mut leader = start_with(&[1, 2], SYNCED, 9);
    assert_eq!(told(&mut leader, 2, 0), Some(Offset(0)));
    leader.log_start_raised(Offset(5));
    assert_eq!(told(&mut leader, 2, 5), Some(Offset(5)), "answered");
    let mut joins = |log_start| {
        let mut actions = Vec::new();
        let fetch = FollowerFetch {
            log_start: Offset(log_start),
            ..fetch(3, 9, 9)
        };
        leader.fetched(at(2), &fetch, |_| None, &mut actions);
        let is_proposal = |action: &Action| matches!(action, Action::ProposeIsr(_));
        (actions.iter().any(is_proposal), leader.least_log_start())
    };
    assert_eq!(joins(4), (false, Some(Offset(5))));
    assert_eq!(joins(5), (true, Some(Offset(5))));
    // From now on it counts.
    assert_eq!(joins(5), (false, Some(Offset(5))));
    leader.log_start_raised(Offset(6));
    assert_eq!(told(&mut leader, 2, 6), Some(Offset(5)));
}

#[test]
fn the_start_never_passes_the_high_watermark() {
    let mut leader = start_with(&[1, 2], SYNCED, 9);
    assert_eq!(leader.high_watermark(), Offset(0));
    leader.log_start_raised(Offset(3));
    assert_eq!(leader.positions().log_start, Offset(0));
    let _ = told(&mut leader, 2, 0);
    assert_eq!(leader.high_watermark(), Offset(9));
    leader.log_start_raised(Offset(3));
    leader.log_start_raised(Offset(2));
    assert_eq!(leader.positions().log_start, Offset(3));
}
