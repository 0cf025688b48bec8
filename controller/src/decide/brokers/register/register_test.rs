//! The rules of registration, in their order (KIP-631).

use trimaran_types::{BrokerId, IncarnationId};

use super::*;
use crate::decide::world::{World, cluster_id, id, ids, refused};

const ALIVE: bool = true;

fn context(session_is_valid: bool) -> RegisterContext {
    RegisterContext {
        cluster_id: cluster_id(),
        session_is_valid,
    }
}

#[test]
fn a_new_broker_is_registered_fenced_under_the_offset_of_its_record() {
    let mut world = World::with_brokers(2);
    let request = world.request(3);
    let at = world.image.position.next_offset;
    let decision = register(&world.image, &request, context(false)).unwrap();
    let epoch = BrokerEpoch(at.0);
    let response = Some(RegisterBrokerResponse {
        cluster_id: cluster_id(),
        broker_epoch: epoch,
    });
    assert_eq!(decision.response.response, response);
    world.commit(decision);
    let registration = world.image.brokers.get(BrokerId(3)).unwrap();
    assert!(registration.fenced);
    assert_eq!(registration.broker_epoch, epoch);
    assert_eq!(registration.last_change.origin.offset, at);
}

#[test]
fn the_epoch_is_right_with_partition_changes_before_it() {
    let mut world = World::with_brokers(2);
    world.create("t", &[&[1, 2], &[2, 1]], &[]);
    let request = world.request(1);
    world.register(&request);
    let registration = world.image.brokers.get(BrokerId(1)).unwrap();
    assert_eq!(
        registration.broker_epoch.0,
        registration.last_change.origin.offset.0
    );
    assert_eq!(world.state("t", 0).isr, ids(&[2]));
}

#[test]
fn what_cannot_be_is_refused_in_order() {
    type Change = fn(&mut RegisterBrokerRequest);
    let long = "x".repeat(300);
    let rows: [(&str, Change, KafkaError); 12] = [
        (
            "another cluster, before anything else",
            |asked| {
                asked.cluster_id = Some(id(2));
                asked.directories.clear();
            },
            KafkaError::InconsistentClusterId,
        ),
        (
            "another run is alive",
            |asked| asked.directories.clear(),
            KafkaError::DuplicateBrokerRegistration,
        ),
        (
            "no directory",
            |asked| bare(asked),
            KafkaError::InvalidRegistration,
        ),
        (
            "reserved",
            |asked| reserve(asked),
            KafkaError::InvalidRegistration,
        ),
        (
            "twice",
            |asked| twice(asked),
            KafkaError::InvalidRegistration,
        ),
        (
            "of another broker",
            |asked| steal(asked),
            KafkaError::InvalidRegistration,
        ),
        (
            "too many",
            |asked| many(asked),
            KafkaError::InvalidRegistration,
        ),
        (
            "no port",
            |asked| address(asked, "localhost"),
            KafkaError::InvalidRegistration,
        ),
        (
            "port 0",
            |asked| address(asked, "localhost:0"),
            KafkaError::InvalidRegistration,
        ),
        (
            "no host",
            |asked| address(asked, ":9092"),
            KafkaError::InvalidRegistration,
        ),
        (
            "port too large",
            |asked| address(asked, "a:65536"),
            KafkaError::InvalidRegistration,
        ),
        (
            "rack without a name",
            |asked| rack(asked, ""),
            KafkaError::InvalidRegistration,
        ),
    ];
    let mut world = World::with_brokers(2);
    for (row, change, error) in rows {
        let mut request = world.request(2);
        change(&mut request);
        let refusal = refused(register(&world.image, &request, context(ALIVE)));
        assert_eq!(refusal.error, error, "{row}: {refusal}");
    }
    let mut request = world.request(3);
    request.rack = Some(long);
    let refusal = refused(register(&world.image, &request, context(false)));
    assert_eq!(refusal.error, KafkaError::InvalidRegistration);
}

fn bare(asked: &mut RegisterBrokerRequest) {
    asked.broker_id = BrokerId(3);
    asked.directories.clear();
}

fn reserve(asked: &mut RegisterBrokerRequest) {
    asked.broker_id = BrokerId(3);
    asked.directories = vec!["AAAAAAAAAAAAAAAAAAAAAQ".parse().unwrap()];
}

fn twice(asked: &mut RegisterBrokerRequest) {
    asked.broker_id = BrokerId(3);
    asked.directories = vec![id(9), id(9)];
}

fn steal(asked: &mut RegisterBrokerRequest) {
    asked.broker_id = BrokerId(3);
    asked.directories = vec![id(1)];
}

fn many(asked: &mut RegisterBrokerRequest) {
    asked.broker_id = BrokerId(3);
    asked.directories = (100..165).map(id).collect();
}

fn address(asked: &mut RegisterBrokerRequest, address: &str) {
    asked.broker_id = BrokerId(3);
    asked.directories = vec![id(9)];
    asked.client_address = address.to_owned();
}

fn rack(asked: &mut RegisterBrokerRequest, rack: &str) {
    address(asked, "[::1]:9092");
    asked.rack = Some(rack.to_owned());
}

#[test]
fn a_broker_on_an_empty_directory_joins_whom_it_asks() {
    let mut world = World::with_brokers(0);
    let mut request = world.request(1);
    request.cluster_id = None;
    let decision = register(&world.image, &request, context(false)).unwrap();
    assert_eq!(decision.response.response.unwrap().cluster_id, cluster_id());
}

#[test]
fn a_fenced_or_silent_predecessor_makes_way() {
    let mut world = World::with_brokers(1);
    let request = world.request(1);
    assert!(register(&world.image, &request, context(ALIVE)).is_err());
    assert!(register(&world.image, &request, context(false)).is_ok());
    world.fence(1);
    assert!(register(&world.image, &request, context(ALIVE)).is_ok());
}

#[test]
fn the_same_run_amends_its_registration_and_keeps_its_state() {
    let mut world = World::with_brokers(0);
    let mut request = world.request(1);
    let epoch = world.register(&request);
    world.unfence(1);
    let repeated = register(&world.image, &request, context(ALIVE)).unwrap();
    assert_eq!(repeated.records, vec![], "the answer may have been lost");
    assert_eq!(repeated.response.response.unwrap().broker_epoch, epoch);
    request.client_address = "127.0.0.1:1".to_owned();
    let amended = register(&world.image, &request, context(ALIVE)).unwrap();
    assert_eq!(
        amended.response.response.as_ref().unwrap().broker_epoch,
        epoch
    );
    world.commit(amended);
    let registration = world.image.brokers.get(BrokerId(1)).unwrap();
    assert_eq!(registration.client_address, "127.0.0.1:1");
    assert_eq!(registration.broker_epoch, epoch);
    assert!(!registration.fenced);
    assert_eq!(registration.incarnation_id, request.incarnation_id);
    let next: IncarnationId = id(5);
    request.incarnation_id = next;
    assert!(world.register(&request) > epoch);
}

#[test]
fn a_registration_that_does_not_fit_is_decided_again() {
    let mut world = World::with_brokers(2);
    world.create("t", &[&[1, 2][..]; 4], &[]);
    let request = world.request(1);
    let decide = |world: &World| {
        let budget = RecordBudget::of_records(3);
        register_within(&world.image, &request, context(false), budget).unwrap()
    };
    let first = decide(&world);
    assert_eq!(
        (first.records.len(), first.response.follow_up),
        (2, FollowUp::DecideAgain)
    );
    assert_eq!(first.response.response, None);
    world.commit(first);
    let second = decide(&world);
    assert_eq!(
        (second.records.len(), second.response.follow_up),
        (3, FollowUp::Nothing)
    );
    world.commit(second);
    assert_eq!(world.image.partitions_in_sync_on(BrokerId(1)).count(), 0);
}
