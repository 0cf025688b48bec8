//! Tables of events, each with the whole list of actions.

mod back_pressure_test;
mod epochs_test;
mod isr_test;
mod log_start_test;

use trimaran_types::{
    BrokerEpoch, BrokerId, KafkaError, LeaderEpoch, MonotonicTime, Offset, PartitionEpoch,
};

use super::*;
use crate::{Durability, Peer};

const EPOCH: LeaderEpoch = LeaderEpoch(5);
const LAG_MS: u64 = 10_000;

fn at(ms: u64) -> MonotonicTime {
    MonotonicTime(ms)
}

fn ids(ids: &[u32]) -> Vec<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}

fn committed(isr: &[u32], partition_epoch: i32) -> CommittedState {
    CommittedState {
        replicas: ids(&[1, 2, 3]),
        isr: ids(isr),
        leader_epoch: EPOCH,
        partition_epoch: PartitionEpoch(partition_epoch),
    }
}

fn peers() -> Peers {
    let peer = |id: u32| Peer {
        broker_epoch: BrokerEpoch(u64::from(id) * 100),
        active: true,
    };
    [1, 2, 3]
        .into_iter()
        .map(|id| (BrokerId(id), peer(id)))
        .collect()
}

const SYNCED: LeaderSettings = LeaderSettings {
    min_isr: 2,
    durability: Durability::Synced,
    lag_time_max_ms: LAG_MS,
    lag_bytes_max: 1_000,
};

fn start_with(isr: &[u32], settings: LeaderSettings, log_end: i64) -> Leader {
    let positions = LogPositions {
        log_start: Offset(0),
        flushed_end: Offset(log_end),
        log_end: Offset(log_end),
    };
    let start = LeaderStart {
        own: BrokerId(1),
        committed: committed(isr, 7),
        settings,
        peers: peers(),
        positions,
        high_watermark: Offset(0),
    };
    Leader::start(at(0), start).0
}

fn fetch(replica: u32, log_end: i64, flushed_end: i64) -> FollowerFetch {
    FollowerFetch {
        replica: BrokerId(replica),
        broker_epoch: BrokerEpoch(u64::from(replica) * 100),
        leader_epoch: EPOCH,
        fetch_offset: Offset(log_end),
        flushed_end: Offset(flushed_end),
        last_fetched_epoch: None,
        log_start: Offset(0),
    }
}

/// Each event and the actions it gives; `Fetch` also fixes the answer to be `Read`.
#[derive(Debug, Clone)]
enum Event {
    /// One record at the offset, waiting until the deadline (`acks=all`) or not (`acks=1`).
    Append(i64, Option<u64>),
    Flushed(i64),
    Fetch(u32, i64, i64),
    Answer(i32, IsrAnswer),
    State(CommittedState),
    Settings(LeaderSettings),
    Peers(Peers),
    Tick,
}

fn apply(leader: &mut Leader, now: u64, event: Event) -> Vec<Action> {
    let now = at(now);
    let mut actions = Vec::new();
    match event {
        Event::Append(offset, deadline) => {
            assert_eq!(leader.admit(deadline.is_some()), Ok(()));
            let appended = Appended {
                waiter: WaiterId(u64::try_from(offset).unwrap()),
                deadline: deadline.map(at),
                base_offset: Offset(offset),
                end: Offset(offset + 1),
                bytes: 100,
            };
            leader.appended(now, appended, &mut actions);
        }
        Event::Flushed(end) => leader.flushed(now, Offset(end), &mut actions),
        Event::Fetch(replica, log_end, flushed_end) => {
            let fetch = fetch(replica, log_end, flushed_end);
            let answer = leader.fetched(now, &fetch, |_| None, &mut actions);
            let before = leader.positions().log_end;
            assert_eq!(
                answer,
                FetchAnswer::Read {
                    from: Offset(log_end),
                    before
                }
            );
        }
        Event::Answer(base, answer) => {
            leader.isr_answered(now, PartitionEpoch(base), answer, &mut actions);
        }
        Event::State(state) => leader.state_committed(now, state, &mut actions),
        Event::Settings(settings) => leader.settings_changed(now, settings, &mut actions),
        Event::Peers(peers) => leader.peers_changed(now, peers, &mut actions),
        Event::Tick => leader.tick(now, &mut actions),
    }
    actions
}

fn run(leader: &mut Leader, table: Vec<(u64, Event, Vec<Action>)>) {
    for (step, (now, event, expected)) in table.into_iter().enumerate() {
        let text = format!("step {step} at {now}: {event:?}");
        assert_eq!(apply(leader, now, event), expected, "{text}");
        assert_eq!(leader.validate(), Ok(()), "{text}");
    }
}

fn advance(to: i64) -> Action {
    Action::AdvanceHighWatermark { to: Offset(to) }
}

fn ack(offset: i64) -> Action {
    let waiter = WaiterId(u64::try_from(offset).unwrap());
    Action::Acknowledge {
        waiter,
        base_offset: Offset(offset),
    }
}

fn refuse(offset: i64, error: KafkaError) -> Action {
    let waiter = WaiterId(u64::try_from(offset).unwrap());
    Action::Refuse {
        waiter,
        error,
        outcome: Outcome::Unknown,
    }
}

fn propose(base: i32, members: &[(u32, Option<u64>)], change: IsrChange) -> Action {
    let member = |(broker, epoch): &(u32, Option<u64>)| ProposedMember {
        broker: BrokerId(*broker),
        broker_epoch: epoch.map(BrokerEpoch),
    };
    Action::ProposeIsr(IsrProposal {
        leader_epoch: EPOCH,
        partition_epoch: PartitionEpoch(base),
        members: members.iter().map(member).collect(),
        change,
    })
}

#[test]
fn a_record_is_acknowledged_when_it_is_synced_on_the_whole_isr() {
    let mut leader = start_with(&[1, 2, 3], SYNCED, 0);
    run(
        &mut leader,
        vec![
            (1, Event::Append(0, Some(1_000)), vec![]),
            (2, Event::Fetch(2, 0, 0), vec![]),
            (2, Event::Fetch(3, 0, 0), vec![]),
            // Both followers have it in memory: not enough.
            (3, Event::Fetch(2, 1, 0), vec![]),
            (3, Event::Fetch(3, 1, 0), vec![]),
            (4, Event::Fetch(2, 1, 1), vec![]),
            (4, Event::Fetch(3, 1, 1), vec![]),
            // Mutant "acknowledge before the leader's own fsync" dies here.
            (5, Event::Flushed(1), vec![advance(1), ack(0)]),
            (6, Event::Flushed(1), vec![]),
        ],
    );
}

#[test]
fn written_durability_counts_log_ends() {
    let settings = LeaderSettings {
        durability: Durability::Written,
        ..SYNCED
    };
    let mut leader = start_with(&[1, 2, 3], settings, 0);
    run(
        &mut leader,
        vec![
            (1, Event::Append(0, Some(1_000)), vec![]),
            (2, Event::Fetch(2, 1, 0), vec![]),
            (2, Event::Fetch(3, 1, 0), vec![advance(1), ack(0)]),
        ],
    );
}

#[test]
fn a_silent_member_of_the_isr_holds_the_high_watermark() {
    // Mutant "high watermark from the leader's own end" dies here.
    let mut leader = start_with(&[1, 2, 3], SYNCED, 0);
    run(
        &mut leader,
        vec![
            (1, Event::Append(0, Some(100)), vec![]),
            (1, Event::Append(1, None), vec![ack(1)]),
            (2, Event::Flushed(2), vec![]),
            (3, Event::Fetch(2, 2, 2), vec![]),
            (99, Event::Tick, vec![]),
            (
                100,
                Event::Tick,
                vec![refuse(0, KafkaError::RequestTimedOut)],
            ),
            (101, Event::Fetch(3, 1, 1), vec![advance(1)]),
            (102, Event::Fetch(3, 2, 2), vec![advance(2)]),
        ],
    );
}

#[test]
fn minimum_isr_is_checked_at_append_and_holds_the_high_watermark() {
    let mut leader = start_with(&[1, 2], SYNCED, 0);
    run(
        &mut leader,
        vec![
            (1, Event::Append(0, Some(500)), vec![]),
            (2, Event::Flushed(1), vec![]),
            // The controllers fence broker 2: only the leader is in sync. Mutant "minimum only at
            // append" would acknowledge here.
            (3, Event::State(committed(&[1], 8)), vec![]),
        ],
    );
    assert_eq!(leader.admit(true), Err(KafkaError::NotEnoughReplicas));
    assert_eq!(leader.admit(false), Ok(()));
    run(
        &mut leader,
        vec![
            (4, Event::Append(1, None), vec![ack(1)]),
            (5, Event::Flushed(2), vec![]),
            (499, Event::Tick, vec![]),
            (
                500,
                Event::Tick,
                vec![refuse(0, KafkaError::NotEnoughReplicasAfterAppend)],
            ),
            // A smaller minimum sets what is held free.
            (
                501,
                Event::Settings(LeaderSettings {
                    min_isr: 1,
                    ..SYNCED
                }),
                vec![advance(2)],
            ),
        ],
    );
}

#[test]
fn a_replica_alone_in_sync_waits_for_nobody() {
    let settings = LeaderSettings {
        min_isr: 1,
        ..SYNCED
    };
    let mut leader = start_with(&[1], settings, 4);
    assert_eq!(leader.high_watermark(), Offset(4));
    run(
        &mut leader,
        vec![
            (1, Event::Append(4, Some(100)), vec![]),
            (2, Event::Flushed(5), vec![advance(5), ack(4)]),
        ],
    );
}

#[test]
fn a_fetch_of_another_history_is_answered_with_the_divergence() {
    let history = |epoch: LeaderEpoch| match epoch.0 {
        i32::MIN..=2 => Some((epoch, Offset(0))),
        3 | 4 => Some((LeaderEpoch(3), Offset(6))),
        5 => Some((LeaderEpoch(5), Offset(10))),
        _ => None,
    };
    let diverging = |epoch, end| FetchAnswer::Diverging {
        epoch: LeaderEpoch(epoch),
        end: Offset(end),
    };
    let read = |from| FetchAnswer::Read {
        from: Offset(from),
        before: Offset(10),
    };
    let refused = FetchAnswer::Refused;
    let mut leader = start_with(&[1, 2, 3], SYNCED, 10);
    for (current, offset, last, expected) in [
        (4, 0, None, refused(KafkaError::FencedLeaderEpoch)),
        (6, 0, None, refused(KafkaError::UnknownLeaderEpoch)),
        (5, 6, Some(3), read(6)),
        (5, 5, Some(3), read(5)),
        (5, 10, Some(5), read(10)),
        (5, 0, None, read(0)),
        (5, 7, Some(3), diverging(3, 6)),
        (5, 6, Some(4), diverging(3, 6)),
        (5, 8, Some(4), diverging(3, 6)),
        (5, 11, Some(5), diverging(5, 10)),
        (5, 11, None, refused(KafkaError::OffsetOutOfRange)),
        (5, 6, Some(6), refused(KafkaError::UnknownLeaderEpoch)),
        (5, 1, Some(1), diverging(1, 0)),
    ] {
        let fetch = FollowerFetch {
            leader_epoch: LeaderEpoch(current),
            last_fetched_epoch: last.map(LeaderEpoch),
            ..fetch(2, offset, 0)
        };
        let before = leader.followers.clone();
        let mut actions = Vec::new();
        let answer = leader.fetched(at(1), &fetch, history, &mut actions);
        assert_eq!((answer, actions), (expected, vec![]), "{fetch:?}");
        if !matches!(expected, FetchAnswer::Read { .. }) {
            assert_eq!(
                leader.followers, before,
                "a refused position was counted: {fetch:?}"
            );
        }
    }
}

#[test]
fn a_new_leader_knows_no_more_than_its_disk() {
    let positions = LogPositions {
        log_start: Offset(0),
        flushed_end: Offset(3),
        log_end: Offset(8),
    };
    let start = |high_watermark| LeaderStart {
        own: BrokerId(1),
        committed: committed(&[1, 2], 7),
        settings: SYNCED,
        peers: peers(),
        positions,
        high_watermark: Offset(high_watermark),
    };
    for (known, expected) in [(0, 0), (2, 2), (5, 3), (90, 3)] {
        let (leader, actions) = Leader::start(at(0), start(known));
        assert_eq!(
            (leader.high_watermark(), actions),
            (Offset(expected), vec![])
        );
        assert_eq!(leader.epoch_start(), Offset(8));
    }
}
