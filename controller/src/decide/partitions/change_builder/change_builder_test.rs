//! What a change holds, field by field, for every way the ISR can move.

use trimaran_metadata::record::PartitionChange;
use trimaran_metadata::{ChangeReason, LeaderRecovery, MetadataImage, PartitionRef};
use trimaran_types::{BrokerId, PartitionIndex, TopicName};

use super::ChangeBuilder;
use crate::decide::world::{World, id, ids};

const REASON: ChangeReason = ChangeReason::IsrShrunkByLag;

fn found(image: &MetadataImage) -> PartitionRef<'_> {
    let topic = image.topics.by_name(&TopicName::new("t").unwrap()).unwrap();
    let partition = PartitionIndex(0);
    PartitionRef {
        topic,
        partition,
        state: topic.partition(partition).unwrap(),
    }
}

fn empty(image: &MetadataImage) -> PartitionChange {
    PartitionChange::new(found(image).topic.topic_id, PartitionIndex(0), REASON)
}

fn world() -> World {
    let mut world = World::with_brokers(3);
    world.create("t", &[&[1, 2, 3]], &[]);
    world
}

fn build(world: &World, isr: &[u32]) -> Option<PartitionChange> {
    ChangeBuilder::new(&world.image, found(&world.image), REASON, None)
        .with_isr(ids(isr))
        .build()
}

#[test]
fn no_difference_is_no_change() {
    assert_eq!(build(&world(), &[1, 2, 3]), None);
}

#[test]
fn an_isr_change_alone_names_no_leader() {
    let world = world();
    let expected = PartitionChange {
        isr: Some(ids(&[1, 3])),
        ..empty(&world.image)
    };
    assert_eq!(
        build(&world, &[1, 3]),
        Some(expected),
        "no leader epoch bump: KAFKA-15021"
    );
}

#[test]
fn below_the_minimum_whoever_leaves_stays_eligible() {
    let mut world = world();
    let expected = PartitionChange {
        isr: Some(ids(&[1])),
        eligible_leader_replicas: Some(ids(&[2, 3])),
        ..empty(&world.image)
    };
    assert_eq!(build(&world, &[1]), Some(expected));
    world.set_isr("t", 0, &[1]);
    let expected = PartitionChange {
        isr: Some(ids(&[1, 3])),
        eligible_leader_replicas: Some(Vec::new()),
        ..empty(&world.image)
    };
    assert_eq!(
        build(&world, &[1, 3]),
        Some(expected),
        "at the minimum nobody else is safe"
    );
}

#[test]
fn who_leaves_at_the_minimum_or_above_is_not_eligible() {
    let mut world = world();
    world.set_isr("t", 0, &[1, 2]);
    let change = build(&world, &[1]).unwrap();
    assert_eq!(
        change.eligible_leader_replicas,
        Some(ids(&[2])),
        "3 lacks what 1 and 2 got since"
    );
}

#[test]
fn an_inactive_leader_is_replaced_and_an_empty_isr_has_none() {
    let mut world = world();
    world.fence(1);
    let state = world.state("t", 0);
    assert_eq!(
        (state.leader, state.isr.clone()),
        (Some(BrokerId(2)), ids(&[2, 3]))
    );
    assert_eq!(state.leader_epoch.0, 1);
    world.fence(2);
    let state = world.state("t", 0);
    assert_eq!(
        (state.leader, state.isr.clone()),
        (Some(BrokerId(3)), ids(&[3]))
    );
    assert_eq!(state.eligible_leader_replicas, ids(&[2]));
    world.fence(3);
    let state = world.state("t", 0);
    assert_eq!((state.leader, state.isr.clone()), (None, vec![]));
    assert_eq!(state.eligible_leader_replicas, ids(&[2, 3]));
    assert_eq!(state.last_known_eligible, ids(&[3]));
    assert_eq!(state.leader_epoch.0, 3);
    assert_eq!(state.last_change.reason, ChangeReason::BrokerFenced);
    assert_eq!(state.last_change.broker, Some(BrokerId(3)));
}

#[test]
fn an_eligible_replica_becomes_the_isr_when_it_leads() {
    let mut world = world();
    for broker in [1, 2, 3] {
        world.fence(broker);
    }
    world.unfence(1);
    assert_eq!(
        world.state("t", 0).leader,
        None,
        "1 left while the minimum still held"
    );
    world.unfence(2);
    let state = world.state("t", 0);
    assert_eq!(
        (state.leader, state.isr.clone()),
        (Some(BrokerId(2)), ids(&[2]))
    );
    assert_eq!(state.eligible_leader_replicas, ids(&[3]));
    assert_eq!(state.last_known_eligible, vec![]);
    assert_eq!(state.leader_recovery, LeaderRecovery::Recovered);
    assert_eq!(state.last_change.reason, ChangeReason::BrokerUnfenced);
}

#[test]
fn entering_the_isr_refreshes_the_recorded_directory() {
    let mut world = world();
    let mut request = world.request(2);
    request.directories = vec![id(77)];
    world.register(&request);
    world.unfence(2);
    let old = world.state("t", 0).directories.clone();
    assert_eq!(
        old[1],
        id(2),
        "until it is in sync the record names the old disk"
    );
    world.set_isr("t", 0, &[1, 3, 2]);
    assert_eq!(
        world.state("t", 0).directories,
        vec![old[0], id(77), old[2]]
    );
}

#[test]
fn an_unclean_leader_stands_alone_and_recovers() {
    let mut world = World::with_brokers(3);
    world.create(
        "t",
        &[&[1, 2, 3]],
        &[("unclean.leader.election.enable", "true")],
    );
    world.set_isr("t", 0, &[1]);
    world.fence(1);
    let state = world.state("t", 0);
    assert_eq!(
        state.leader,
        Some(BrokerId(2)),
        "2 is eligible: nothing unclean about it"
    );
    assert_eq!(state.leader_recovery, LeaderRecovery::Recovered);
    world.fence(2);
    world.fence(3);
    world.unfence(1);
    let state = world.state("t", 0);
    assert_eq!(state.last_change.reason, ChangeReason::BrokerUnfenced);

    let mut world = World::with_brokers(2);
    let settings = [
        ("unclean.leader.election.enable", "true"),
        ("min.insync.replicas", "1"),
    ];
    world.create("t", &[&[1, 2]], &settings);
    world.set_isr("t", 0, &[1]);
    world.fence(1);
    let state = world.state("t", 0);
    assert_eq!(
        (state.leader, state.isr.clone()),
        (Some(BrokerId(2)), ids(&[2]))
    );
    assert_eq!(state.leader_recovery, LeaderRecovery::Recovering);
    assert_eq!(state.eligible_leader_replicas, vec![]);
    assert_eq!(state.last_change.reason, ChangeReason::ElectedUncleanly);
    let asks = world.alteration("t", 0, &[2]);
    assert_eq!(world.alter(2, asks).error, None);
    assert_eq!(
        world.state("t", 0).leader_recovery,
        LeaderRecovery::Recovered
    );
}
