//! Restarts, clean and not, of brokers whose data matters.

use trimaran_metadata::{ChangeReason, LeaderRecovery};
use trimaran_types::BrokerId;

use crate::decide::world::{World, id, ids};

/// Registers a new run of `broker` after its old one was fenced.
fn restart(world: &mut World, broker: u32, clean: bool) {
    let epoch = world.epoch(broker);
    let mut request = world.request(broker);
    request.previous_broker_epoch = clean.then_some(epoch);
    world.register(&request);
}

/// Replicas 1 and 2 of a topic whose minimum is 2; both are fenced, 2 was the last.
fn both_fenced(settings: &[(&str, &str)]) -> World {
    let mut world = World::with_brokers(2);
    world.create("t", &[&[1, 2]], settings);
    world.fence(1);
    world.fence(2);
    assert_eq!(world.state("t", 0).eligible_leader_replicas, ids(&[1, 2]));
    assert_eq!(world.state("t", 0).last_known_eligible, ids(&[2]));
    world
}

const UNSYNCED: &[(&str, &str)] = &[("flush.messages", "1000")];

#[test]
fn a_clean_restart_keeps_eligibility() {
    let mut world = both_fenced(UNSYNCED);
    restart(&mut world, 1, true);
    assert_eq!(world.state("t", 0).eligible_leader_replicas, ids(&[1, 2]));
    world.unfence(1);
    assert_eq!(world.state("t", 0).leader, Some(BrokerId(1)));
}

#[test]
fn an_epoch_of_another_run_proves_nothing() {
    let mut world = both_fenced(UNSYNCED);
    let older = world.epoch(1);
    restart(&mut world, 1, true);
    let mut request = world.request(1);
    request.previous_broker_epoch = Some(older);
    world.register(&request);
    assert_eq!(world.state("t", 0).eligible_leader_replicas, ids(&[2]));
}

#[test]
fn an_unclean_restart_ends_eligibility_where_acknowledged_records_may_be_unsynced() {
    // KIP-966: the last member of the ISR comes back without its page cache.
    let mut world = both_fenced(UNSYNCED);
    restart(&mut world, 2, false);
    let state = world.state("t", 0);
    assert_eq!(state.eligible_leader_replicas, ids(&[1]));
    assert_eq!(
        state.last_change.reason,
        ChangeReason::ReplicaUncleanRestart
    );
    world.unfence(2);
    assert_eq!(world.state("t", 0).leader, None, "1 holds more than 2 may");
    restart(&mut world, 1, true);
    world.unfence(1);
    let state = world.state("t", 0);
    assert_eq!(
        (state.leader, state.isr.clone()),
        (Some(BrokerId(1)), ids(&[1]))
    );
}

#[test]
fn the_last_leader_is_the_last_resort_and_says_so() {
    let mut world = both_fenced(UNSYNCED);
    restart(&mut world, 2, false);
    restart(&mut world, 1, false);
    assert_eq!(world.state("t", 0).eligible_leader_replicas, vec![]);
    world.unfence(1);
    assert_eq!(world.state("t", 0).leader, None, "2 led last");
    world.unfence(2);
    let state = world.state("t", 0);
    assert_eq!(
        (state.leader, state.isr.clone()),
        (Some(BrokerId(2)), ids(&[2]))
    );
    assert_eq!(state.leader_recovery, LeaderRecovery::Recovering);
    assert_eq!(state.last_change.reason, ChangeReason::ElectedLastKnown);
}

#[test]
fn where_acknowledged_means_synced_a_crash_keeps_eligibility() {
    let mut world = both_fenced(&[]);
    restart(&mut world, 1, false);
    restart(&mut world, 2, false);
    assert_eq!(world.state("t", 0).eligible_leader_replicas, ids(&[1, 2]));
    world.unfence(1);
    assert_eq!(world.state("t", 0).leader, Some(BrokerId(1)));
}

#[test]
fn a_crash_leaves_the_isr_even_before_the_session_ends() {
    let mut world = World::with_brokers(3);
    world.create("t", &[&[1, 2, 3]], &[]);
    restart(&mut world, 1, false);
    let state = world.state("t", 0);
    assert_eq!(
        (state.leader, state.isr.clone()),
        (Some(BrokerId(2)), ids(&[2, 3]))
    );
    assert_eq!(
        state.last_change.reason,
        ChangeReason::ReplicaUncleanRestart
    );
    world.unfence(1);
    assert_eq!(
        world.state("t", 0).isr,
        ids(&[2, 3]),
        "it rejoins when it has caught up"
    );
}

#[test]
fn a_replaced_disk_is_never_eligible_whatever_the_broker_says() {
    let mut world = both_fenced(&[]);
    let mut request = world.request(2);
    request.previous_broker_epoch = Some(world.epoch(2));
    request.directories = vec![id(77)];
    world.register(&request);
    let state = world.state("t", 0);
    assert_eq!(state.eligible_leader_replicas, ids(&[1]));
    assert_eq!(state.last_change.reason, ChangeReason::DiskReplaced);
    world.unfence(2);
    assert_eq!(world.state("t", 0).leader, None);
    world.unfence(1);
    assert_eq!(world.state("t", 0).leader, Some(BrokerId(1)));
}

#[test]
fn the_only_replica_on_a_replaced_disk_waits_for_its_disk() {
    let mut world = World::with_brokers(1);
    world.create("t", &[&[1]], &[]);
    let mut request = world.request(1);
    request.directories = vec![id(77)];
    world.register(&request);
    world.unfence(1);
    let state = world.state("t", 0);
    assert_eq!(
        (state.leader, state.last_known_eligible.clone()),
        (None, ids(&[1]))
    );
    world.start(1);
    assert_eq!(
        world.state("t", 0).leader,
        Some(BrokerId(1)),
        "the old disk is back"
    );
}

#[test]
fn a_returning_broker_takes_no_leadership_away() {
    let mut world = World::with_brokers(3);
    world.create("t", &[&[1, 2, 3]], &[]);
    world.fence(1);
    let before = world.state("t", 0).clone();
    world.unfence(1);
    assert_eq!(world.state("t", 0), &before);
}
