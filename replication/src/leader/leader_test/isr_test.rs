//! Joining and leaving the ISR, event by event.

use super::*;

#[test]
fn a_laggard_leaves_the_isr_only_when_the_controllers_say_so() {
    let mut leader = start_with(&[1, 2, 3], SYNCED, 0);
    let shrink = || IsrChange::Shrink(ids(&[3]));
    run(
        &mut leader,
        vec![
            (0, Event::Fetch(2, 0, 0), vec![]),
            (0, Event::Fetch(3, 0, 0), vec![]),
            (1, Event::Append(0, Some(60_000)), vec![]),
            (2, Event::Flushed(1), vec![]),
            (3, Event::Fetch(2, 1, 1), vec![]),
            (LAG_MS + 1, Event::Tick, vec![]),
        ],
    );
    // It was level until the append.
    assert_eq!(leader.next_deadline(at(LAG_MS)), Some(at(LAG_MS + 2)));
    let now = LAG_MS + 2;
    run(
        &mut leader,
        vec![
            // Broker 2 is silent for as long, but lacks nothing.
            (
                now,
                Event::Tick,
                vec![propose(7, &[(1, Some(100)), (2, Some(200))], shrink())],
            ),
            // Mutant "high watermark advances before the shrink is committed" dies here.
            (now + 1, Event::Tick, vec![]),
            (now + 1, Event::Answer(6, IsrAnswer::Committed), vec![]),
            // Committed, but under which minimum is the metadata log's to tell.
            (now + 2, Event::Answer(7, IsrAnswer::Committed), vec![]),
            (
                now + 3,
                Event::State(committed(&[1, 2], 8)),
                vec![advance(1), ack(0)],
            ),
            (now + 3, Event::Answer(7, IsrAnswer::Committed), vec![]),
        ],
    );
    assert_eq!(leader.isr(), ids(&[1, 2]));
    assert_eq!(leader.partition_epoch(), PartitionEpoch(8));
    assert_eq!(leader.next_deadline(at(now + 3)), None);
}

#[test]
fn the_first_append_after_an_idle_time_costs_nobody_its_place() {
    let mut leader = start_with(
        &[1, 2],
        LeaderSettings {
            min_isr: 1,
            ..SYNCED
        },
        0,
    );
    let later = 50 * LAG_MS;
    run(
        &mut leader,
        vec![
            (1, Event::Fetch(2, 0, 0), vec![]),
            (1, Event::Fetch(3, 0, 0), vec![expand_with_three()]),
            (
                2,
                Event::Answer(7, IsrAnswer::Failed(KafkaError::IneligibleReplica)),
                vec![],
            ),
            // Broker 2's fetches repeat themselves and are not told of.
            (later, Event::Append(0, None), vec![ack(0)]),
            (later, Event::Tick, vec![]),
            (later + 1, Event::Append(1, None), vec![ack(1)]),
            (later + LAG_MS, Event::Tick, vec![]),
        ],
    );
    let lapse = later + LAG_MS + 1;
    assert_eq!(leader.next_deadline(at(later)), Some(at(lapse)));
    // One that died meanwhile lapses from the append on.
    run(
        &mut leader,
        vec![(
            lapse,
            Event::Tick,
            vec![propose(7, &[(1, Some(100))], IsrChange::Shrink(ids(&[2])))],
        )],
    );
}

#[test]
fn another_durability_costs_nobody_its_place_on_an_idle_partition() {
    let written = LeaderSettings {
        durability: Durability::Written,
        ..SYNCED
    };
    let mut leader = start_with(&[1, 2], written, 0);
    let later = 50 * LAG_MS;
    run(
        &mut leader,
        vec![
            (1, Event::Append(0, Some(60_000)), vec![]),
            (2, Event::Fetch(2, 1, 0), vec![advance(1), ack(0)]),
            // From here on its fetches repeat themselves and are not told of.
            (later, Event::Settings(SYNCED), vec![]),
            (later, Event::Tick, vec![]),
            (later + 1, Event::Flushed(1), vec![]),
            (later + LAG_MS, Event::Tick, vec![]),
            (later + LAG_MS, Event::Fetch(2, 1, 1), vec![]),
            (later + LAG_MS + 1, Event::Tick, vec![]),
        ],
    );
}

fn expand_with_three() -> Action {
    propose(
        7,
        &[(1, Some(100)), (2, Some(200)), (3, Some(300))],
        IsrChange::Expand(BrokerId(3)),
    )
}

#[test]
fn a_busy_follower_that_is_always_a_little_behind_stays() {
    let mut leader = start_with(
        &[1, 2],
        LeaderSettings {
            min_isr: 1,
            ..SYNCED
        },
        0,
    );
    for step in 1..40_i64 {
        let now = u64::try_from(step).unwrap() * 1_000;
        apply(&mut leader, now, Event::Append(step - 1, None));
        // It has what the leader had at its previous fetch, never what the leader has now.
        let actions = apply(&mut leader, now, Event::Fetch(2, step - 1, step - 1));
        assert_eq!(actions, vec![], "{step}");
        assert_eq!(apply(&mut leader, now, Event::Tick), vec![], "{step}");
    }
}

#[test]
fn one_that_joins_far_behind_the_log_end_has_the_lag_limit_from_then_on() {
    for answered_first in [false, true] {
        let mut leader = start_with(&[1], SYNCED, 0);
        // Producers that wait for nobody: the log grows, the high watermark stands (KIP-966).
        for offset in 0..40 {
            apply(&mut leader, 1, Event::Append(offset, None));
        }
        let now = 5 * LAG_MS;
        let join = propose(
            7,
            &[(1, Some(100)), (2, Some(200))],
            IsrChange::Expand(BrokerId(2)),
        );
        assert_eq!(apply(&mut leader, now, Event::Fetch(2, 0, 0)), vec![join]);
        if answered_first {
            apply(&mut leader, now, Event::Answer(7, IsrAnswer::Committed));
        }
        apply(&mut leader, now, Event::State(committed(&[1, 2], 8)));
        assert_eq!(leader.isr(), ids(&[1, 2]));
        assert_eq!(leader.next_deadline(at(now)), Some(at(now + LAG_MS + 1)));
        apply(&mut leader, now + 1, Event::Fetch(2, 1, 1));
        assert_eq!(apply(&mut leader, now + LAG_MS, Event::Tick), vec![]);
        let put_out = propose(8, &[(1, Some(100))], IsrChange::Shrink(ids(&[2])));
        let later = now + LAG_MS + 1;
        assert_eq!(apply(&mut leader, later, Event::Tick), vec![put_out]);
    }
}

#[test]
fn a_follower_joins_when_it_has_all_that_is_committed_and_is_counted_from_then_on() {
    let mut leader = start_with(&[1, 2], SYNCED, 10);
    run(
        &mut leader,
        vec![
            (1, Event::Fetch(2, 10, 10), vec![advance(10)]),
            // Below the start of the epoch, then in memory only: not yet.
            (2, Event::Fetch(3, 4, 4), vec![]),
            (3, Event::Fetch(3, 10, 9), vec![]),
            (4, Event::Append(10, Some(60_000)), vec![]),
            (4, Event::Flushed(11), vec![]),
            (
                5,
                Event::Fetch(3, 10, 10),
                vec![propose(
                    7,
                    &[(1, Some(100)), (2, Some(200)), (3, Some(300))],
                    IsrChange::Expand(BrokerId(3)),
                )],
            ),
            // One change in flight; the joining replica counts for the high watermark.
            (6, Event::Fetch(3, 10, 10), vec![]),
            (7, Event::Fetch(2, 11, 11), vec![]),
            (8, Event::State(committed(&[1, 2, 3], 8)), vec![]),
            (9, Event::Fetch(3, 11, 11), vec![advance(11), ack(10)]),
        ],
    );
}

#[test]
fn only_an_active_broker_of_the_registered_epoch_joins() {
    let mut leader = start_with(&[1, 2], SYNCED, 0);
    let with = |epoch: u64, active: bool| {
        let mut peers = peers();
        peers.insert(
            BrokerId(3),
            Peer {
                broker_epoch: BrokerEpoch(epoch),
                active,
            },
        );
        peers
    };
    let expansion = || {
        propose(
            7,
            &[(1, Some(100)), (2, None), (3, Some(300))],
            IsrChange::Expand(BrokerId(3)),
        )
    };
    run(
        &mut leader,
        vec![
            // Fenced (KIP-841).
            (1, Event::Peers(with(300, false)), vec![]),
            (2, Event::Fetch(3, 0, 0), vec![]),
            // Fetches under a registration that the metadata does not show yet (KIP-903).
            (3, Event::Peers(with(299, true)), vec![]),
            (4, Event::Fetch(3, 0, 0), vec![]),
            (5, Event::Peers(peers()), vec![]),
            (6, Event::Fetch(3, 0, 0), vec![expansion()]),
        ],
    );
    // A fetch of the earlier registration is refused, and one of a stranger.
    let stale = FollowerFetch {
        broker_epoch: BrokerEpoch(299),
        ..fetch(3, 0, 0)
    };
    let stranger = FollowerFetch {
        replica: BrokerId(9),
        ..fetch(3, 0, 0)
    };
    for (fetch, error) in [
        (stale, KafkaError::StaleBrokerEpoch),
        (stranger, KafkaError::NotLeaderOrFollower),
    ] {
        let mut actions = Vec::new();
        let answer = leader.fetched(at(7), &fetch, |_| None, &mut actions);
        assert_eq!((answer, actions), (FetchAnswer::Refused(error), vec![]));
    }
}

#[test]
fn answers_decide_what_becomes_of_a_proposal() {
    let expansion = || {
        propose(
            7,
            &[(1, Some(100)), (2, None), (3, Some(300))],
            IsrChange::Expand(BrokerId(3)),
        )
    };
    let failed = |error| Event::Answer(7, IsrAnswer::Failed(error));
    let pending = || {
        let mut leader = start_with(&[1, 2], SYNCED, 0);
        run(
            &mut leader,
            vec![(1, Event::Fetch(3, 0, 0), vec![expansion()])],
        );
        leader
    };
    // Refused for good: back to what is committed, and a pause before the next try.
    let mut leader = pending();
    run(
        &mut leader,
        vec![
            (2, failed(KafkaError::IneligibleReplica), vec![]),
            (3, Event::Fetch(3, 0, 0), vec![]),
            (102, Event::Fetch(3, 0, 0), vec![expansion()]),
        ],
    );
    // Not this leader's to decide: it waits for the metadata log.
    for error in [
        KafkaError::FencedLeaderEpoch,
        KafkaError::InvalidUpdateVersion,
        KafkaError::InvalidRequest,
        KafkaError::UnknownTopicId,
        KafkaError::NewLeaderElected,
    ] {
        let mut leader = pending();
        run(
            &mut leader,
            vec![
                (2, failed(error), vec![]),
                (900, Event::Fetch(3, 0, 0), vec![]),
                (901, Event::State(committed(&[1, 2], 8)), vec![]),
            ],
        );
        assert_eq!(leader.isr_state, IsrState::Committed, "{error}");
    }
    // Anything else leaves it unknown: the same is sent again.
    let mut leader = pending();
    run(
        &mut leader,
        vec![(2, failed(KafkaError::NotController), vec![expansion()])],
    );
}

#[test]
fn an_isr_counts_only_under_the_settings_that_it_was_committed_under() {
    let one = LeaderSettings {
        min_isr: 1,
        ..SYNCED
    };
    let mut leader = start_with(&[1, 2], one, 0);
    let shrink = propose(7, &[(1, Some(100))], IsrChange::Shrink(ids(&[2])));
    run(
        &mut leader,
        vec![
            (0, Event::Fetch(2, 0, 0), vec![]),
            (1, Event::Append(0, Some(60_000)), vec![]),
            (2, Event::Flushed(1), vec![]),
            (LAG_MS + 2, Event::Tick, vec![shrink]),
            // The minimum was raised before; with this ISR broker 2 is eligible, and lacks it.
            (LAG_MS + 3, Event::Answer(7, IsrAnswer::Committed), vec![]),
            (LAG_MS + 4, Event::Settings(SYNCED), vec![]),
            (LAG_MS + 4, Event::State(committed(&[1], 8)), vec![]),
        ],
    );
    assert_eq!(leader.high_watermark(), Offset(0));
}

#[test]
fn one_whose_way_in_may_still_be_committed_counts_until_it_surely_is_not() {
    let expand = || {
        propose(
            7,
            &[(1, Some(100)), (2, Some(200)), (3, Some(300))],
            IsrChange::Expand(BrokerId(3)),
        )
    };
    let keep = || {
        let without = BrokerId(3);
        propose(
            7,
            &[(1, Some(100)), (2, Some(200))],
            IsrChange::Keep { without },
        )
    };
    let ineligible = || Event::Answer(7, IsrAnswer::Failed(KafkaError::IneligibleReplica));
    for let_in in [false, true] {
        let mut leader = start_with(&[1, 2], SYNCED, 0);
        let mut gone = peers();
        gone.get_mut(&BrokerId(3)).unwrap().active = false;
        run(
            &mut leader,
            vec![
                (0, Event::Fetch(2, 0, 0), vec![]),
                (0, Event::Fetch(3, 0, 0), vec![expand()]),
                (1, Event::Answer(7, IsrAnswer::Unanswered), vec![]),
                (2, Event::Peers(gone), vec![]),
                (3, ineligible(), vec![keep()]),
                (4, Event::Append(0, Some(60_000)), vec![]),
                (5, Event::Flushed(1), vec![]),
                (6, Event::Fetch(2, 1, 1), vec![]),
                (7, ineligible(), vec![keep()]),
                (8, Event::Answer(7, IsrAnswer::Committed), vec![]),
            ],
        );
        if let_in {
            run(
                &mut leader,
                vec![
                    (9, Event::State(committed(&[1, 2, 3], 8)), vec![]),
                    (10, Event::Fetch(3, 1, 1), vec![advance(1), ack(0)]),
                ],
            );
        } else {
            let state = Event::State(committed(&[1, 2], 8));
            run(&mut leader, vec![(9, state, vec![advance(1), ack(0)])]);
        }
    }
}

#[test]
fn an_older_state_is_ignored_and_a_newer_one_ends_a_proposal() {
    let mut leader = start_with(&[1, 2, 3], SYNCED, 0);
    run(
        &mut leader,
        vec![
            (0, Event::State(committed(&[1], 7)), vec![]),
            (0, Event::State(committed(&[1], 6)), vec![]),
        ],
    );
    assert_eq!(leader.isr(), ids(&[1, 2, 3]));
    let other_epoch = CommittedState {
        leader_epoch: LeaderEpoch(6),
        ..committed(&[1], 9)
    };
    run(&mut leader, vec![(1, Event::State(other_epoch), vec![])]);
    assert_eq!(leader.isr(), ids(&[1, 2, 3]));
}

#[test]
fn a_reregistered_follower_must_tell_anew_where_it_stands() {
    let mut leader = start_with(&[1, 2], SYNCED, 0);
    let mut reregistered = peers();
    reregistered.insert(
        BrokerId(2),
        Peer {
            broker_epoch: BrokerEpoch(900),
            active: true,
        },
    );
    run(
        &mut leader,
        vec![
            (1, Event::Append(0, Some(1_000)), vec![]),
            (2, Event::Fetch(2, 1, 1), vec![]),
            (3, Event::Peers(reregistered), vec![]),
            // What its earlier run said does not count: its disk may be another.
            (4, Event::Flushed(1), vec![]),
        ],
    );
}

#[test]
fn a_joining_follower_holds_the_high_watermark_for_a_while() {
    // Else a busy leader that is alone in sync would run ahead of it for ever.
    let mut leader = start_with(
        &[1],
        LeaderSettings {
            min_isr: 1,
            ..SYNCED
        },
        0,
    );
    let expansion = || {
        propose(
            7,
            &[(1, Some(100)), (2, Some(200))],
            IsrChange::Expand(BrokerId(2)),
        )
    };
    run(
        &mut leader,
        vec![
            (1, Event::Fetch(2, 0, 0), vec![expansion()]),
            (
                2,
                Event::Answer(7, IsrAnswer::Failed(KafkaError::IneligibleReplica)),
                vec![],
            ),
            (3, Event::Append(0, Some(60_000)), vec![]),
            (4, Event::Flushed(1), vec![]),
        ],
    );
    assert_eq!(leader.next_deadline(at(4)), Some(at(LAG_MS + 2)));
    run(
        &mut leader,
        vec![(LAG_MS + 2, Event::Tick, vec![advance(1), ack(0)])],
    );
    assert_eq!(leader.next_deadline(at(LAG_MS + 2)), None);
}
