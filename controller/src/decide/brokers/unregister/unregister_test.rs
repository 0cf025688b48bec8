//! Who may leave for good, and what stays behind.

use super::*;
use crate::decide::world::{World, ids, refused};

#[test]
fn only_a_fenced_broker_leaves_and_it_stays_a_replica() {
    let mut world = World::with_brokers(2);
    world.create("t", &[&[1, 2]], &[]);
    let broker = BrokerId(2);
    let refusal = refused(unregister(&world.image, broker));
    assert_eq!(refusal.error, KafkaError::InvalidRequest);
    world.fence(2);
    assert_eq!(world.state("t", 0).eligible_leader_replicas, ids(&[2]));
    let decision = unregister(&world.image, broker).unwrap();
    assert_eq!(decision.records.len(), 2);
    assert_eq!(world.commit(decision), FollowUp::Nothing);
    let state = world.state("t", 0);
    assert_eq!(state.eligible_leader_replicas, vec![]);
    assert_eq!(
        state.replicas,
        ids(&[1, 2]),
        "nothing forgets how many copies there should be"
    );
    assert_eq!(state.last_change.reason, ChangeReason::BrokerUnregistered);
    let refusal = refused(unregister(&world.image, broker));
    assert_eq!(refusal.error, KafkaError::BrokerIdNotRegistered);
}

#[test]
fn a_broker_that_left_may_come_back_and_catch_up() {
    let mut world = World::with_brokers(2);
    world.create("t", &[&[1, 2]], &[]);
    world.fence(2);
    let decision = unregister(&world.image, BrokerId(2)).unwrap();
    world.commit(decision);
    world.start(2);
    assert_eq!(world.state("t", 0).isr, ids(&[1]));
    world.set_isr("t", 0, &[1, 2]);
    assert_eq!(world.state("t", 0).isr, ids(&[1, 2]));
}
