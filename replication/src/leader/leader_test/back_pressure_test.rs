//! Producers that do not wait for the ISR are held back while a member of it is too far behind, and
//! never longer than the lag time. Each append of these tables is 100 bytes, the bound 1,000.

use super::*;

const BOUND_APPENDS: i64 = 10;

/// So many appends that wait for nobody.
fn append(leader: &mut Leader, now: u64, offsets: std::ops::Range<i64>) {
    for offset in offsets {
        let actions = apply(leader, now, Event::Append(offset, None));
        assert_eq!(actions, vec![ack(offset)]);
    }
}

/// A leader of an empty log, and its followers.
fn level() -> Leader {
    let mut leader = start_with(&[1, 2, 3], SYNCED, 0);
    for replica in [2, 3] {
        apply(&mut leader, 1, Event::Fetch(replica, 0, 0));
    }
    leader
}

#[test]
fn the_slowest_member_holds_producers_back_at_the_bound() {
    let mut leader = level();
    assert!(!leader.holds_back(at(1), 999));
    assert!(
        leader.holds_back(at(1), 1_000),
        "what is about to be written counts"
    );
    append(&mut leader, 2, 0..BOUND_APPENDS - 1);
    assert!(!leader.holds_back(at(2), 0));
    append(&mut leader, 2, BOUND_APPENDS - 1..BOUND_APPENDS);
    assert!(leader.holds_back(at(2), 0));
    // One of two is not enough, and what is not on its disk does not count.
    apply(&mut leader, 3, Event::Fetch(2, 10, 10));
    apply(&mut leader, 3, Event::Fetch(3, 10, 0));
    assert!(leader.holds_back(at(3), 0));
    apply(&mut leader, 4, Event::Fetch(3, 10, 5));
    assert!(!leader.holds_back(at(4), 0));
}

#[test]
fn only_the_committed_isr_holds_anybody_back() {
    let mut leader = level();
    append(&mut leader, 2, 0..20);
    apply(&mut leader, 3, Event::Fetch(2, 20, 20));
    assert!(leader.holds_back(at(3), 0), "replica 3 is silent");
    apply(&mut leader, 4, Event::State(committed(&[1, 2], 8)));
    assert!(!leader.holds_back(at(4), 0));
    assert_eq!(leader.holds_back_until(at(4)), None);
}

#[test]
fn a_dead_follower_holds_nobody_longer_than_the_lag_time_even_without_controllers() {
    let mut leader = level();
    append(&mut leader, 5, 0..20);
    apply(&mut leader, 6, Event::Fetch(2, 20, 20));
    // Replica 3 was level when the first of them was written, and is dead since.
    let lapse = 5 + LAG_MS + 1;
    assert_eq!(leader.holds_back_until(at(6)), Some(at(lapse)));
    assert!(leader.holds_back(at(lapse - 1), 0));
    assert!(!leader.holds_back(at(lapse), 0));
    // The controllers are asked, and nobody waits for their answer.
    assert_eq!(apply(&mut leader, lapse, Event::Tick).len(), 1);
    append(&mut leader, lapse, 20..40);
    apply(&mut leader, lapse, Event::Fetch(2, 40, 40));
    assert!(!leader.holds_back(at(lapse + 1), 0));
}

#[test]
fn a_leader_alone_holds_nobody_back() {
    let settings = LeaderSettings {
        min_isr: 1,
        ..SYNCED
    };
    let mut leader = start_with(&[1], settings, 0);
    append(&mut leader, 1, 0..100);
    assert!(!leader.holds_back(at(1), u64::MAX));
}

#[test]
fn a_follower_that_has_not_told_in_this_epoch_holds_for_what_the_epoch_has_written() {
    let mut leader = start_with(&[1, 2], SYNCED, 500);
    assert!(!leader.holds_back(at(1), 0), "older records do not count");
    append(&mut leader, 1, 500..500 + BOUND_APPENDS);
    assert!(leader.holds_back(at(1), 0));
    assert!(!leader.holds_back(at(LAG_MS + 1), 0));
}

/// The reason for the bound: with it, a follower that is always ten appends behind stays in sync,
/// although it never has what the leader had at the fetch before.
#[test]
fn a_follower_held_at_the_bound_for_ever_stays_in_the_isr() {
    let mut leader = level();
    let two = CommittedState {
        replicas: ids(&[1, 2]),
        ..committed(&[1, 2], 8)
    };
    apply(&mut leader, 1, Event::State(two));
    let mut written: i64 = 0;
    for (now, step) in (2_u64..).step_by(1_000).zip(0_i64..200) {
        for _ in 0..BOUND_APPENDS {
            if !leader.holds_back(at(now), 0) {
                append(&mut leader, now, written..written + 1);
                written += 1;
            }
        }
        assert_eq!(apply(&mut leader, now, Event::Flushed(written)).len(), 0);
        let tick = apply(&mut leader, now, Event::Tick);
        assert_eq!(tick, vec![], "{step}: nobody leaves");
        // Two more of the ten that it lacks.
        let fetch = fetch(2, step * 2, step * 2);
        let mut actions = Vec::new();
        leader.fetched(at(now + 1), &fetch, |_| None, &mut actions);
        assert!(written - step * 2 >= 8, "it is never level");
    }
    assert!(written > 390);
}
