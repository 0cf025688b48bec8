//! What outlives a leadership: nothing at another replica, the appends that wait at the same one,
//! and never a follower's position.

use super::*;

const LATER: LeaderEpoch = LeaderEpoch(EPOCH.0 + 1);

/// The same replica leads again, from where `leader` stood.
fn start_later(leader: &Leader, isr: &[u32]) -> LeaderStart {
    LeaderStart {
        own: BrokerId(1),
        committed: CommittedState {
            leader_epoch: LATER,
            ..committed(isr, 9)
        },
        settings: leader.settings,
        peers: peers(),
        positions: leader.positions(),
        high_watermark: leader.high_watermark(),
    }
}

fn lead_on(leader: Leader, now: u64, isr: &[u32]) -> (Leader, Vec<Action>) {
    let start = start_later(&leader, isr);
    leader.suspend().resume(at(now), start)
}

fn fetch_in(epoch: LeaderEpoch, replica: u32, end: i64) -> FollowerFetch {
    FollowerFetch {
        leader_epoch: epoch,
        ..fetch(replica, end, end)
    }
}

/// A fetch and what follows from it.
fn fetched(leader: &mut Leader, now: u64, fetch: &FollowerFetch) -> (FetchAnswer, Vec<Action>) {
    let mut actions = Vec::new();
    let answer = leader.fetched(at(now), fetch, |_| None, &mut actions);
    assert_eq!(leader.validate(), Ok(()));
    (answer, actions)
}

#[test]
fn a_deposed_leader_acknowledges_nothing() {
    let mut leader = start_with(&[1, 2], SYNCED, 0);
    apply(&mut leader, 1, Event::Append(0, Some(1_000)));
    apply(&mut leader, 1, Event::Append(1, Some(2_000)));
    assert_eq!(leader.waiting(), 2);
    assert_eq!(leader.next_deadline(at(1)), Some(at(1_000)));
    let error = KafkaError::NotLeaderOrFollower;
    assert_eq!(leader.depose(), vec![refuse(0, error), refuse(1, error)]);
}

#[test]
fn a_leader_that_leads_on_acknowledges_what_waited_by_the_new_epochs_fetches_alone() {
    let mut leader = start_with(&[1, 2, 3], SYNCED, 0);
    apply(&mut leader, 1, Event::Append(0, Some(1_000)));
    apply(&mut leader, 1, Event::Append(1, Some(2_000)));
    apply(&mut leader, 2, Event::Flushed(2));
    apply(&mut leader, 2, Event::Fetch(2, 2, 2));
    let (mut leader, actions) = lead_on(leader, 3, &[1, 2, 3]);
    assert_eq!((actions, leader.waiting()), (vec![], 2));
    // What replica 2 had fetched in the epoch before does not count any more.
    assert_eq!(fetched(&mut leader, 4, &fetch_in(LATER, 3, 2)).1, vec![]);
    assert_eq!(
        fetched(&mut leader, 5, &fetch_in(LATER, 2, 1)).1,
        vec![advance(1), ack(0)]
    );
    assert_eq!(apply(&mut leader, 2_000, Event::Tick).len(), 1);
    assert_eq!(leader.waiting(), 0);
}

#[test]
fn a_leader_that_leads_on_alone_acknowledges_what_is_on_its_disk() {
    let settings = LeaderSettings {
        min_isr: 1,
        ..SYNCED
    };
    let mut leader = start_with(&[1, 2], settings, 0);
    apply(&mut leader, 1, Event::Append(0, Some(1_000)));
    apply(&mut leader, 1, Event::Append(1, Some(1_000)));
    apply(&mut leader, 2, Event::Flushed(1));
    let (mut leader, actions) = lead_on(leader, 3, &[1]);
    assert_eq!(actions, vec![advance(1), ack(0)]);
    assert_eq!(
        apply(&mut leader, 4, Event::Flushed(2)),
        vec![advance(2), ack(1)]
    );
}

#[test]
fn no_position_of_a_follower_outlives_the_epoch() {
    let mut leader = start_with(&[1, 2, 3], SYNCED, 4);
    for replica in [2, 3] {
        apply(&mut leader, 1, Event::Fetch(replica, 4, 4));
    }
    assert_eq!(leader.high_watermark(), Offset(4));
    assert_eq!(leader.least_log_start(), Some(Offset(0)));
    apply(&mut leader, 2, Event::Append(4, Some(1_000)));
    apply(&mut leader, 2, Event::Flushed(5));
    apply(&mut leader, 3, Event::Fetch(2, 5, 5));
    // Replica 3 was found damaged: out of the ISR, and the same leader leads on.
    let (mut leader, actions) = lead_on(leader, 4, &[1, 2]);
    assert_eq!(actions, vec![], "replica 2 has told nothing in this epoch");
    for follower in leader.followers.values() {
        assert_eq!(follower.counted(Durability::Synced), None);
        assert_eq!(
            (follower.broker_epoch(), follower.log_start()),
            (None, None)
        );
    }
    assert_eq!(leader.least_log_start(), None);
    // What the damaged log asked arrives late: refused, and its position is not taken for that of
    // the empty log in its place, under the same registration.
    let before = leader.followers.clone();
    let old = fetched(&mut leader, 5, &fetch_in(EPOCH, 3, 5));
    let fenced = FetchAnswer::Refused(KafkaError::FencedLeaderEpoch);
    assert_eq!(old, (fenced, vec![]));
    assert_eq!(leader.followers, before);
    let empty = fetched(&mut leader, 6, &fetch_in(LATER, 3, 0));
    assert_eq!(empty.1, vec![], "an empty log is not let in");
    let level = fetched(&mut leader, 7, &fetch_in(LATER, 2, 5));
    assert_eq!(level.1, vec![advance(5), ack(4)]);
}

#[test]
fn a_registration_before_the_one_that_fetched_is_refused_in_every_epoch() {
    let (mut leader, _) = lead_on(start_with(&[1, 2, 3], SYNCED, 4), 1, &[1, 2, 3]);
    fetched(&mut leader, 2, &fetch_in(LATER, 2, 4));
    let before = leader.followers.clone();
    let old = FollowerFetch {
        broker_epoch: BrokerEpoch(199),
        ..fetch_in(LATER, 2, 0)
    };
    let refused = FetchAnswer::Refused(KafkaError::StaleBrokerEpoch);
    assert_eq!(fetched(&mut leader, 3, &old), (refused, vec![]));
    assert_eq!(leader.followers, before);
}

#[test]
fn without_a_leader_nobody_is_acknowledged_and_deadlines_hold() {
    let mut leader = start_with(&[1, 2], SYNCED, 0);
    for (offset, deadline) in [(0, 5_000), (1, 1_000), (2, 3_000)] {
        apply(&mut leader, 1, Event::Append(offset, Some(deadline)));
    }
    apply(&mut leader, 2, Event::Flushed(3));
    let start = start_later(&leader, &[1, 2]);
    let mut suspended = leader.suspend();
    assert_eq!(
        (suspended.waiting(), suspended.next_deadline()),
        (3, Some(at(1_000)))
    );
    let mut actions = Vec::new();
    suspended.tick(at(999), &mut actions);
    assert_eq!(actions, vec![]);
    suspended.tick(at(1_000), &mut actions);
    assert_eq!(actions, vec![refuse(1, KafkaError::RequestTimedOut)]);
    assert_eq!(suspended.next_deadline(), Some(at(3_000)));
    let (mut leader, actions) = suspended.resume(at(1_500), start);
    assert_eq!((actions, leader.waiting()), (vec![], 2));
    let level = fetched(&mut leader, 1_600, &fetch_in(LATER, 2, 3));
    assert_eq!(level.1, vec![advance(3), ack(0), ack(2)]);
}

#[test]
fn when_another_replica_leads_those_who_waited_are_told_that_nobody_knows() {
    let mut leader = start_with(&[1, 2], SYNCED, 0);
    apply(&mut leader, 1, Event::Append(0, Some(1_000)));
    let error = KafkaError::NotLeaderOrFollower;
    assert_eq!(leader.suspend().end_with(error), vec![refuse(0, error)]);
}
