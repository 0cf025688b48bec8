//! Every place that a damaged replica may stand in, and what is left of it.

use trimaran_api::controller::{DamageCause, DamagedReplica};
use trimaran_metadata::{LeaderRecovery, PartitionState};
use trimaran_types::{KafkaError, LeaderEpoch};

use super::*;
use crate::decide::world::{World, id, ids};

fn report(world: &World, broker: u32, partitions: &[u32]) -> HeartbeatRequest {
    let damaged = |partition: &u32| DamagedReplica {
        partition: world.partition_id("t", *partition),
        cause: DamageCause::Corrupt,
        served_up_to: Some(world.state("t", *partition).leader_epoch),
    };
    HeartbeatRequest {
        damaged_replicas: partitions.iter().map(damaged).collect(),
        ..world.heartbeat_of(broker)
    }
}

fn damage(world: &mut World, broker: u32) {
    let request = report(world, broker, &[0]);
    world.heartbeat(&request);
}

fn restore(world: &mut World, broker: u32) {
    let request = HeartbeatRequest {
        restored_replicas: vec![world.partition_id("t", 0)],
        ..world.heartbeat_of(broker)
    };
    world.heartbeat(&request);
}

/// Leader, ISR, eligible, last known and lost replicas, and how many leader epochs have begun.
type Seen<'a> = (Option<u32>, &'a [u32], &'a [u32], &'a [u32], &'a [u32], i32);

fn assert_seen(state: &PartitionState, before: LeaderEpoch, expected: Seen<'_>, name: &str) {
    let numbers = |list: &[BrokerId]| -> Vec<u32> { list.iter().map(|id| id.0).collect() };
    let replicas = state.replicas.iter().copied();
    let lost: Vec<_> = replicas.filter(|id| is_marked_lost(state, *id)).collect();
    let seen: Seen<'_> = (
        state.leader.map(|leader| leader.0),
        &numbers(&state.isr),
        &numbers(&state.eligible_leader_replicas),
        &numbers(&state.last_known_eligible),
        &numbers(&lost),
        state.leader_epoch.0 - before.0,
    );
    assert_eq!(seen, expected, "{name}");
}

/// Replicas 1, 2 and 3, 1 leads, the minimum is 2; brokers go in this order, then one reports.
struct Row {
    name: &'static str,
    fenced: &'static [u32],
    settings: &'static [(&'static str, &'static str)],
    damaged: u32,
    expected: Seen<'static>,
}

const ROWS: [Row; 6] = [
    Row {
        name: "a follower in sync: the leader stays, under a new epoch",
        fenced: &[],
        settings: &[],
        damaged: 2,
        expected: (Some(1), &[1, 3], &[], &[], &[2], 1),
    },
    Row {
        name: "the leader: another member leads",
        fenced: &[],
        settings: &[],
        damaged: 1,
        expected: (Some(2), &[2, 3], &[], &[], &[1], 1),
    },
    Row {
        name: "the last member: who left before it holds as much, and waits in the list",
        fenced: &[1, 2],
        settings: &[],
        damaged: 3,
        expected: (None, &[], &[2], &[3], &[3], 1),
    },
    Row {
        name: "the last member, and nobody else holds as much",
        fenced: &[1, 2],
        settings: &[("min.insync.replicas", "1")],
        damaged: 3,
        expected: (None, &[], &[], &[3], &[3], 1),
    },
    Row {
        name: "unclean election takes another, never the damaged one",
        fenced: &[1, 2],
        settings: &[
            ("min.insync.replicas", "1"),
            ("unclean.leader.election.enable", "true"),
        ],
        damaged: 3,
        expected: (None, &[], &[], &[3], &[3], 1),
    },
    Row {
        name: "eligible and fenced: not eligible any more",
        fenced: &[1, 2],
        settings: &[],
        damaged: 2,
        expected: (Some(3), &[3], &[], &[], &[2], 1),
    },
];

#[test]
fn what_becomes_of_a_partition_when_one_replica_is_damaged() {
    for row in ROWS {
        let mut world = World::with_brokers(3);
        world.create("t", &[&[1, 2, 3]], row.settings);
        row.fenced.iter().for_each(|broker| world.fence(*broker));
        let before = world.state("t", 0).leader_epoch;
        let mut request = report(&world, row.damaged, &[0]);
        // It reports before it asks for service.
        request.want_fence = row.fenced.contains(&row.damaged);
        world.heartbeat(&request);
        let state = world.state("t", 0);
        assert_seen(state, before, row.expected, row.name);
        let change = &state.last_change;
        assert_eq!(change.reason, ChangeReason::ReplicaDamaged, "{}", row.name);
        assert_eq!(change.broker, Some(BrokerId(row.damaged)), "{}", row.name);
    }
}

#[test]
fn the_same_report_changes_nothing_a_second_time() {
    let mut world = World::with_brokers(3);
    world.create("t", &[&[1, 2, 3]], &[]);
    damage(&mut world, 2);
    // As its broker repeats it until it has heard of the change.
    let request = HeartbeatRequest {
        damaged_replicas: vec![DamagedReplica {
            partition: world.partition_id("t", 0),
            cause: DamageCause::Corrupt,
            served_up_to: Some(LeaderEpoch(0)),
        }],
        ..world.heartbeat_of(2)
    };
    let (position, state) = (world.image.position, world.state("t", 0).clone());
    let mut budget = RecordBudget::of_a_part();
    let again = changes_of_reports(&world.image, &request, &mut budget);
    assert_eq!(again, vec![]);
    world.heartbeat(&request);
    assert_eq!(world.state("t", 0), &state);
    assert_eq!(world.image.position.next_offset, position.next_offset);
}

#[test]
fn a_log_that_is_given_up_twice_costs_a_leader_epoch_each_time() {
    let mut world = World::with_brokers(3);
    world.create("t", &[&[1, 2, 3]], &[]);
    damage(&mut world, 2);
    // It has begun anew, fetched, and not come into the ISR yet.
    damage(&mut world, 2);
    let state = world.state("t", 0);
    assert_eq!(state.leader_epoch, LeaderEpoch(2));
    assert_eq!(
        (state.leader, state.isr.clone()),
        (Some(BrokerId(1)), ids(&[1, 3]))
    );
}

#[test]
fn a_log_that_never_served_in_this_run_costs_no_leader_epoch() {
    let mut world = World::with_brokers(3);
    world.create("t", &[&[1, 2, 3]], &[]);
    let mut request = report(&world, 2, &[0]);
    request.damaged_replicas[0].served_up_to = None;
    world.heartbeat(&request);
    let state = world.state("t", 0);
    assert_eq!(state.leader_epoch, LeaderEpoch(0), "KAFKA-15021");
    assert_eq!(state.isr, ids(&[1, 3]));
    assert!(is_marked_lost(state, BrokerId(2)));
}

#[test]
fn of_a_partition_that_it_does_not_host_a_broker_says_nothing() {
    let mut world = World::with_brokers(3);
    world.create("t", &[&[1, 2]], &[]);
    let before = world.state("t", 0).clone();
    damage(&mut world, 3);
    assert_eq!(world.state("t", 0), &before);
}

#[test]
fn a_broker_comes_into_service_only_behind_its_reports() {
    let mut world = World::with_brokers(1);
    world.create("t", &[&[1][..]; 3], &[]);
    world.fence(1);
    let request = report(&world, 1, &[0, 2]);
    assert!(!world.heartbeat(&request).is_fenced);
    let leaders = [0, 1, 2].map(|partition| world.state("t", partition).leader);
    assert_eq!(leaders, [None, Some(BrokerId(1)), None]);
}

#[test]
fn reports_are_taken_part_by_part() {
    let mut world = World::with_brokers(2);
    world.create("t", &[&[1, 2][..]; 4], &[]);
    let request = report(&world, 2, &[0, 1, 2, 3]);
    let mut budget = RecordBudget::of_records(3);
    assert_eq!(
        changes_of_reports(&world.image, &request, &mut budget).len(),
        3
    );
    world.heartbeat(&request);
    for partition in 0..4 {
        assert_eq!(world.state("t", partition).isr, ids(&[1]));
    }
}

#[test]
fn what_the_leader_asked_for_before_the_report_is_refused() {
    let mut world = World::with_brokers(3);
    world.create("t", &[&[1, 2, 3]], &[]);
    world.set_isr("t", 0, &[1, 3]);
    // The leader has seen 2 catch up; then 2 finds its log damaged.
    let stale = world.alteration("t", 0, &[1, 2, 3]);
    damage(&mut world, 2);
    let result = world.alter(1, stale);
    assert_eq!(result.error, Some(KafkaError::FencedLeaderEpoch));
    assert_eq!(world.state("t", 0).isr, ids(&[1, 3]));
    // In the new epoch only a log that was fetched anew can catch up.
    world.set_isr("t", 0, &[1, 2, 3]);
    let state = world.state("t", 0);
    assert_eq!(state.isr, ids(&[1, 2, 3]));
    assert_eq!(state.directory_of(BrokerId(2)), Some(id(2)), "not lost");
}

#[test]
fn a_lost_replica_is_elected_by_no_later_decision() {
    let mut world = World::with_brokers(2);
    let settings = [
        ("min.insync.replicas", "1"),
        ("unclean.leader.election.enable", "true"),
    ];
    world.create("t", &[&[1]], &settings);
    damage(&mut world, 1);
    for _ in 0..2 {
        world.sweep();
        assert_eq!(world.state("t", 0).leader, None);
        world.fence(1);
        world.unfence(1);
        assert_eq!(world.state("t", 0).leader, None);
        // A new run that has not looked at its logs yet.
        world.start(1);
        assert_eq!(world.state("t", 0).leader, None);
    }
}

#[test]
fn the_last_leader_leads_again_once_its_log_is_back() {
    let mut world = World::with_brokers(2);
    world.create("t", &[&[1]], &[]);
    damage(&mut world, 1);
    restore(&mut world, 2);
    assert_eq!(world.state("t", 0).leader, None, "2 has nothing to restore");
    restore(&mut world, 1);
    let state = world.state("t", 0);
    assert_eq!(state.leader, Some(BrokerId(1)));
    assert_eq!(state.isr, ids(&[1]));
    assert_eq!(state.directory_of(BrokerId(1)), Some(id(1)));
    assert_eq!(state.leader_recovery, LeaderRecovery::Recovering);
    assert_eq!(state.last_change.reason, ChangeReason::ElectedLastKnown);
}

#[test]
fn a_log_that_is_back_while_its_broker_is_fenced_leads_from_its_service_on() {
    let mut world = World::with_brokers(1);
    world.create("t", &[&[1]], &[]);
    damage(&mut world, 1);
    let request = world.request(1);
    world.register(&request);
    let mut heartbeat = HeartbeatRequest {
        restored_replicas: vec![world.partition_id("t", 0)],
        ..world.heartbeat_of(1)
    };
    heartbeat.want_fence = true;
    world.heartbeat(&heartbeat);
    let state = world.state("t", 0);
    assert_eq!(
        (state.leader, is_marked_lost(state, BrokerId(1))),
        (None, false)
    );
    assert_eq!(state.last_change.reason, ChangeReason::ReplicaRestored);
    world.unfence(1);
    assert_eq!(world.state("t", 0).leader, Some(BrokerId(1)));
}

#[test]
fn a_replica_that_is_not_awaited_is_not_taken_back() {
    let mut world = World::with_brokers(2);
    world.create("t", &[&[1, 2]], &[]);
    damage(&mut world, 2);
    let before = world.state("t", 0).clone();
    restore(&mut world, 2);
    assert_eq!(world.state("t", 0), &before);
}
