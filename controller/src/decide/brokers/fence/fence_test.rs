//! Fencing: whole, in parts, and of those who are gone already.

use trimaran_metadata::MetadataRecord;
use trimaran_types::KafkaError;

use super::*;
use crate::decide::world::{World, ids, refused};

#[test]
fn partitions_first_then_the_broker_all_in_one_entry() {
    let mut world = World::with_brokers(4);
    world.create("t", &[&[1, 2, 3], &[2, 3, 4]], &[]);
    let reason = FenceReason::ConnectionRefused;
    let decision = fence(&world.image, BrokerId(1), world.epoch(1), reason).unwrap();
    let [
        MetadataRecord::PartitionChange(moved),
        MetadataRecord::BrokerRegistrationChange(fenced),
    ] = decision.records.as_slice()
    else {
        panic!("{:?}", decision.records)
    };
    assert_eq!(moved.isr, Some(ids(&[2, 3])));
    assert_eq!(moved.leader, Some(Some(BrokerId(2))));
    assert_eq!(
        (moved.reason, moved.reason_broker),
        (ChangeReason::BrokerFenced, Some(BrokerId(1)))
    );
    assert_eq!((fenced.fenced, fenced.reason), (Some(true), reason));
    assert_eq!(world.commit(decision), FollowUp::Nothing);
    let again = fence(&world.image, BrokerId(1), world.epoch(1), reason).unwrap();
    assert_eq!(again.records, vec![], "fencing twice is fencing once");
}

#[test]
fn what_does_not_fit_is_decided_again_and_the_broker_goes_last() {
    let mut world = World::with_brokers(2);
    world.create("t", &[&[1, 2][..]; 5], &[]);
    let registered = (BrokerId(1), world.epoch(1));
    let mut sizes = Vec::new();
    loop {
        let budget = RecordBudget::of_records(3);
        let decision = fence_within(
            &world.image,
            registered,
            FenceReason::SessionTimeout,
            budget,
        )
        .unwrap();
        sizes.push(decision.records.len());
        if world.commit(decision) == FollowUp::Nothing {
            break;
        }
        assert!(!world.image.brokers.get(BrokerId(1)).unwrap().fenced);
    }
    assert_eq!(sizes, [2, 2, 2]);
    assert!(world.image.brokers.get(BrokerId(1)).unwrap().fenced);
    assert_eq!(world.image.partitions_in_sync_on(BrokerId(1)).count(), 0);
}

#[test]
fn another_registration_is_not_fenced() {
    let world = World::with_brokers(1);
    let reason = FenceReason::SessionTimeout;
    let stale = fence(&world.image, BrokerId(1), BrokerEpoch(99), reason);
    assert_eq!(refused(stale).error, KafkaError::StaleBrokerEpoch);
    let unknown = fence(&world.image, BrokerId(2), BrokerEpoch(0), reason);
    assert_eq!(refused(unknown).error, KafkaError::BrokerIdNotRegistered);
}
