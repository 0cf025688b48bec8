//! What the state table means for registrations, partitions and answers.

use trimaran_metadata::MetadataRecord;
use trimaran_types::{BrokerId, KafkaError};

use super::*;
use crate::decide::world::{World, id, ids, refused};

fn decide(world: &World, request: &HeartbeatRequest) -> Decision<HeartbeatOutcome> {
    let context = HeartbeatContext {
        lowest_active_metadata_end: Some(world.image.position.next_offset),
        ..HeartbeatContext::default()
    };
    heartbeat(&world.image, request, context).unwrap()
}

fn answer(decision: &Decision<HeartbeatOutcome>) -> (bool, bool, bool) {
    let response = &decision.response.response;
    (
        response.is_caught_up,
        response.is_fenced,
        response.should_shut_down,
    )
}

#[test]
fn a_broker_comes_into_service_once_it_has_applied_its_own_registration() {
    let mut world = World::with_brokers(0);
    let request = world.request(1);
    let epoch = world.register(&request);
    let mut beat = world.heartbeat_of(1);
    beat.metadata_end = MetadataOffset(epoch.0);
    assert_eq!(answer(&decide(&world, &beat)), (false, true, false));
    beat.metadata_end = MetadataOffset(epoch.0 + 1);
    beat.want_fence = true;
    assert_eq!(
        answer(&decide(&world, &beat)),
        (true, true, false),
        "hazard 16: it recovers"
    );
    beat.want_fence = false;
    let decision = decide(&world, &beat);
    assert_eq!(answer(&decision), (true, false, false));
    assert_eq!(decision.records.len(), 1);
    world.commit(decision);
    assert_eq!(
        decide(&world, &beat).records,
        vec![],
        "a heartbeat writes nothing by itself"
    );
}

#[test]
fn the_broker_is_unfenced_before_the_elections_that_need_it() {
    let mut world = World::with_brokers(2);
    world.create("t", &[&[1], &[2]], &[]);
    world.fence(1);
    let decision = decide(&world, &world.heartbeat_of(1));
    let [
        MetadataRecord::BrokerRegistrationChange(_),
        MetadataRecord::PartitionChange(led),
    ] = decision.records.as_slice()
    else {
        panic!("{:?}", decision.records)
    };
    assert_eq!(led.leader, Some(Some(BrokerId(1))));
}

#[test]
fn elections_that_do_not_fit_are_asked_for() {
    let mut world = World::with_brokers(1);
    world.create("t", &[&[1][..]; 4], &[]);
    world.fence(1);
    let context = HeartbeatContext::default();
    let budget = RecordBudget::of_records(3);
    let decision = heartbeat_within(&world.image, &world.heartbeat_of(1), context, budget).unwrap();
    assert_eq!(decision.records.len(), 3);
    assert_eq!(decision.response.follow_up, FollowUp::ElectLeaderless);
    assert!(!decision.response.response.is_fenced);
    world.commit(decision);
    world.sweep();
    assert_eq!(world.image.leaderless_partitions().count(), 0);
}

#[test]
fn a_controlled_shutdown_moves_leaders_and_waits_until_all_know() {
    let mut world = World::with_brokers(3);
    world.create("t", &[&[1, 2], &[2, 1]], &[]);
    let mut leaving = world.heartbeat_of(1);
    leaving.want_shutdown = true;
    let before = world.image.position.next_offset;
    let response = world.heartbeat_seen_up_to(&leaving, Some(before));
    assert_eq!(
        (response.is_fenced, response.should_shut_down),
        (false, false)
    );
    let registration = world.image.brokers.get(BrokerId(1)).unwrap();
    assert!(registration.in_controlled_shutdown && !registration.fenced);
    assert_eq!(
        registration.last_change.reason,
        FenceReason::ControlledShutdown
    );
    assert_eq!(world.state("t", 0).leader, Some(BrokerId(2)));
    assert_eq!(world.state("t", 1).isr, ids(&[2]));
    assert_eq!(
        world.state("t", 0).last_change.reason,
        ChangeReason::ControlledShutdown
    );
    let going = registration.last_change.origin.offset;
    let waits = world.heartbeat_seen_up_to(&leaving, Some(going));
    assert!(
        !waits.should_shut_down,
        "somebody has not applied the record at this offset"
    );
    let done = world.heartbeat_seen_up_to(&leaving, Some(MetadataOffset(going.0 + 1)));
    assert_eq!((done.is_fenced, done.should_shut_down), (true, true));
    let registration = world.image.brokers.get(BrokerId(1)).unwrap();
    assert!(registration.fenced);
    assert_eq!(registration.last_change.reason, FenceReason::ShutDown);
    let again = world.heartbeat_seen_up_to(&leaving, None);
    assert!(again.should_shut_down, "the answer may have been lost");
    let mut back = world.heartbeat_of(1);
    back.want_shutdown = false;
    assert!(
        world.heartbeat(&back).is_fenced,
        "only a new registration brings it back"
    );
}

#[test]
fn who_leads_nothing_or_is_alone_stops_at_once() {
    let mut world = World::with_brokers(2);
    world.create("t", &[&[1, 2]], &[]);
    let mut leaving = world.heartbeat_of(2);
    leaving.want_shutdown = true;
    let nobody_has_reported = Some(MetadataOffset(0));
    let response = world.heartbeat_seen_up_to(&leaving, nobody_has_reported);
    assert_eq!(
        (response.is_fenced, response.should_shut_down),
        (true, true)
    );
    assert_eq!(world.state("t", 0).isr, ids(&[1]));
    let mut last = world.heartbeat_of(1);
    last.want_shutdown = true;
    world.heartbeat_seen_up_to(&last, None);
    let response = world.heartbeat_seen_up_to(&last, None);
    assert!(response.should_shut_down);
    assert_eq!(world.state("t", 0).eligible_leader_replicas, ids(&[1, 2]));
}

#[test]
fn a_broker_that_wants_to_be_fenced_is() {
    let mut world = World::with_brokers(2);
    world.create("t", &[&[1, 2]], &[]);
    let mut beat = world.heartbeat_of(1);
    beat.want_fence = true;
    assert!(world.heartbeat(&beat).is_fenced);
    assert_eq!(world.state("t", 0).leader, Some(BrokerId(2)));
    let registration = world.image.brokers.get(BrokerId(1)).unwrap();
    assert_eq!(registration.last_change.reason, FenceReason::Requested);
}

#[test]
fn until_all_partitions_are_handed_over_the_answer_is_the_old_state() {
    let mut world = World::with_brokers(2);
    world.create("t", &[&[1, 2][..]; 3], &[]);
    let mut beat = world.heartbeat_of(1);
    beat.want_fence = true;
    let context = HeartbeatContext::default();
    let budget = RecordBudget::of_records(2);
    let decision = heartbeat_within(&world.image, &beat, context, budget).unwrap();
    assert_eq!(decision.response.follow_up, FollowUp::DecideAgain);
    assert!(!decision.response.response.is_fenced);
    world.commit(decision);
    assert!(world.heartbeat(&beat).is_fenced);
}

#[test]
fn a_failed_directory_takes_its_replicas_out() {
    let mut world = World::with_brokers(2);
    let mut request = world.request(3);
    request.directories = vec![id(31), id(32)];
    world.register(&request);
    world.unfence(3);
    world.create("t", &[&[3, 1]], &[]);
    assert_eq!(world.state("t", 0).directories, vec![id(31), id(1)]);
    let mut beat = world.heartbeat_of(3);
    beat.offline_directories = vec![id(31)];
    let response = world.heartbeat(&beat);
    assert!(!response.is_fenced, "the other directory serves on");
    assert_eq!(
        world.image.brokers.get(BrokerId(3)).unwrap().directories,
        vec![id(32)]
    );
    let state = world.state("t", 0);
    assert_eq!(
        (state.leader, state.isr.clone()),
        (Some(BrokerId(1)), ids(&[1]))
    );
    assert_eq!(
        state.eligible_leader_replicas,
        vec![],
        "a failed disk promises nothing"
    );
    assert_eq!(state.last_change.reason, ChangeReason::DirectoryFailed);
    assert_eq!(
        decide(&world, &beat).records,
        vec![],
        "reporting it again changes nothing"
    );
}

#[test]
fn heartbeats_of_earlier_runs_are_refused() {
    let mut world = World::with_brokers(1);
    let old = world.heartbeat_of(1);
    world.start(1);
    let context = HeartbeatContext::default();
    let refusal = refused(heartbeat(&world.image, &old, context.clone()));
    assert_eq!(refusal.error, KafkaError::StaleBrokerEpoch);
    let stranger = HeartbeatRequest {
        broker_id: BrokerId(7),
        ..old
    };
    let refusal = refused(heartbeat(&world.image, &stranger, context));
    assert_eq!(refusal.error, KafkaError::BrokerIdNotRegistered);
}
