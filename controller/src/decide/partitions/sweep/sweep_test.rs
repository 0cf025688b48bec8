//! A predecessor that died between two parts of its work.

use trimaran_types::BrokerId;

use super::*;
use crate::decide::world::World;

#[test]
fn what_is_leaderless_and_can_be_led_is_led_part_by_part() {
    let mut world = World::with_brokers(2);
    world.create("t", &[&[1], &[1], &[1], &[2]], &[]);
    world.fence(1);
    // In service again by an entry that held no elections.
    let mut change = crate::decide::brokers::heartbeat(
        &world.image,
        &world.heartbeat_of(1),
        crate::decide::brokers::HeartbeatContext::default(),
    )
    .unwrap();
    change.records.truncate(1);
    world.commit(change);
    let budget = || RecordBudget::of_records(2);
    let first = elect_within(&world.image, budget());
    assert_eq!(
        (first.records.len(), first.response),
        (2, FollowUp::DecideAgain)
    );
    world.commit(first);
    let second = elect_within(&world.image, budget());
    assert_eq!(
        (second.records.len(), second.response),
        (1, FollowUp::Nothing)
    );
    world.commit(second);
    for partition in 0..3 {
        assert_eq!(world.state("t", partition).leader, Some(BrokerId(1)));
    }
    assert_eq!(elect_leaderless(&world.image).records, vec![]);
}
