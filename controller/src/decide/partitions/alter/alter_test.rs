//! Every row of Kafka's table of validations, in its order (KIP-497).

use trimaran_types::TopicId;

use super::*;
use crate::decide::world::{World, id, ids, refused};

fn world() -> World {
    let mut world = World::with_brokers(4);
    world.create("t", &[&[1, 2, 3]], &[]);
    world.set_isr("t", 0, &[1, 2]);
    world.fence(4);
    world
}

fn error_of(world: &mut World, sender: u32, alteration: PartitionAlteration) -> KafkaError {
    let before = world.image.clone();
    let error = world
        .alter(sender, alteration)
        .error
        .expect("must be refused");
    assert_eq!(
        world.image.topics, before.topics,
        "a refused change changes nothing"
    );
    error
}

#[test]
fn an_old_registration_is_refused_whole() {
    let world = world();
    for (broker, epoch, error) in [
        (1, world.epoch(2), KafkaError::StaleBrokerEpoch),
        (9, world.epoch(1), KafkaError::BrokerIdNotRegistered),
    ] {
        let request = AlterPartitionsRequest {
            broker_id: BrokerId(broker),
            broker_epoch: epoch,
            partitions: vec![world.alteration("t", 0, &[1, 2])],
        };
        assert_eq!(
            refused(alter_partitions(&world.image, &request)).error,
            error
        );
    }
}

#[test]
fn each_wrong_alteration_has_its_error() {
    type Change = fn(&mut PartitionAlteration);
    let rows: [(&str, u32, Change, KafkaError); 13] = [
        (
            "unknown topic",
            1,
            |asked| asked.partition.topic_id = id::<TopicId>(9),
            KafkaError::UnknownTopicId,
        ),
        (
            "unknown partition",
            1,
            |asked| asked.partition.partition.0 = 1,
            KafkaError::UnknownTopicOrPartition,
        ),
        (
            "leader epoch ahead",
            1,
            |asked| asked.leader_epoch.0 += 1,
            KafkaError::NotController,
        ),
        (
            "partition epoch ahead",
            1,
            |asked| asked.partition_epoch.0 += 1,
            KafkaError::NotController,
        ),
        (
            "ahead comes before behind",
            1,
            |asked| {
                asked.leader_epoch.0 -= 1;
                asked.partition_epoch.0 += 1;
            },
            KafkaError::NotController,
        ),
        (
            "leader epoch behind, sender no leader",
            2,
            |asked| asked.leader_epoch.0 -= 1,
            KafkaError::FencedLeaderEpoch,
        ),
        (
            "sender no leader, partition epoch behind",
            2,
            |asked| asked.partition_epoch.0 -= 1,
            KafkaError::InvalidRequest,
        ),
        (
            "partition epoch behind, ISR empty",
            1,
            |asked| {
                asked.partition_epoch.0 -= 1;
                asked.new_isr.clear();
            },
            KafkaError::InvalidUpdateVersion,
        ),
        (
            "ISR empty",
            1,
            |asked| asked.new_isr.clear(),
            KafkaError::InvalidRequest,
        ),
        (
            "ISR without the leader",
            1,
            |asked| {
                asked
                    .new_isr
                    .retain(|member| member.broker_id != BrokerId(1))
            },
            KafkaError::InvalidRequest,
        ),
        (
            "ISR names one twice",
            1,
            |asked| asked.new_isr.push(asked.new_isr[0]),
            KafkaError::InvalidRequest,
        ),
        (
            "ISR names no replica",
            1,
            |asked| asked.new_isr[1].broker_id = BrokerId(4),
            KafkaError::InvalidRequest,
        ),
        (
            "an epoch of another run",
            1,
            |asked| asked.new_isr[1].broker_epoch = Some(trimaran_types::BrokerEpoch(0)),
            KafkaError::IneligibleReplica,
        ),
    ];
    let mut world = world();
    // Leadership there and back, so that the epochs have a past.
    for (gone, isr) in [(1, [2, 1]), (2, [1, 2])] {
        world.fence(gone);
        world.unfence(gone);
        world.set_isr("t", 0, &isr);
    }
    assert_eq!(world.state("t", 0).leader, Some(BrokerId(1)));
    for (row, sender, change, error) in rows {
        let mut alteration = world.alteration("t", 0, &[1, 2]);
        change(&mut alteration);
        assert_eq!(error_of(&mut world, sender, alteration), error, "{row}");
    }
}

#[test]
fn nobody_out_of_service_enters_the_isr() {
    // KIP-841: the leader may not have heard yet.
    let mut world = world();
    world.fence(3);
    let fenced = world.alteration("t", 0, &[1, 2, 3]);
    assert_eq!(
        error_of(&mut world, 1, fenced),
        KafkaError::IneligibleReplica
    );
    world.unfence(3);
    let mut leaving = world.heartbeat_of(3);
    leaving.want_shutdown = true;
    world.create("led-by-3", &[&[3, 1]], &[]);
    world.heartbeat_seen_up_to(&leaving, Some(trimaran_types::MetadataOffset(0)));
    assert!(
        world
            .image
            .brokers
            .get(BrokerId(3))
            .unwrap()
            .in_controlled_shutdown
    );
    let leaving = world.alteration("t", 0, &[1, 2, 3]);
    assert_eq!(
        error_of(&mut world, 1, leaving),
        KafkaError::IneligibleReplica
    );
}

#[test]
fn a_rebooted_broker_with_an_empty_disk_is_not_let_in_by_old_news() {
    // KIP-903: the leader asks for the run that it last saw fetch.
    let mut world = world();
    let old_news = world.alteration("t", 0, &[1, 2, 3]);
    let mut request = world.request(3);
    request.directories = vec![id(77)];
    world.register(&request);
    world.unfence(3);
    assert_eq!(
        error_of(&mut world, 1, old_news),
        KafkaError::IneligibleReplica
    );
    let new = world.alteration("t", 0, &[1, 2, 3]);
    assert_eq!(world.alter(1, new).error, None);
    assert_eq!(world.state("t", 0).directories[2], id(77));
}

#[test]
fn an_unknown_epoch_of_a_member_is_skipped() {
    let mut world = world();
    let mut alteration = world.alteration("t", 0, &[1, 2, 3]);
    alteration.new_isr[2].broker_epoch = None;
    assert_eq!(world.alter(1, alteration).error, None);
    assert_eq!(world.state("t", 0).isr, ids(&[1, 2, 3]));
}

#[test]
fn a_change_answers_with_the_new_state_and_keeps_the_leader_epoch() {
    let mut world = world();
    let before = world.state("t", 0).clone();
    let alteration = world.alteration("t", 0, &[3, 1]);
    let result = world.alter(1, alteration);
    assert_eq!(
        result,
        PartitionAlterationResult {
            partition: world.partition_id("t", 0),
            error: None,
            leader: Some(BrokerId(1)),
            leader_epoch: before.leader_epoch,
            isr: ids(&[3, 1]),
            partition_epoch: PartitionEpoch(before.partition_epoch.0 + 1),
        }
    );
    let state = world.state("t", 0);
    assert_eq!(state.last_change.reason, ChangeReason::IsrExpanded);
    assert_eq!(state.last_change.broker, Some(BrokerId(3)));
    world.set_isr("t", 0, &[1]);
    let state = world.state("t", 0);
    assert_eq!(state.last_change.reason, ChangeReason::IsrShrunkByLag);
    assert_eq!(state.eligible_leader_replicas, ids(&[3]));
}

#[test]
fn asking_for_what_is_so_already_makes_earlier_requests_come_too_late() {
    let mut world = world();
    let before = world.state("t", 0).clone();
    let held_up = world.alteration("t", 0, &[1, 2, 3]);
    let same = world.alteration("t", 0, &[1, 2]);
    assert_eq!(world.alter(1, same).error, None);
    let state = world.state("t", 0).clone();
    assert_eq!(
        (state.isr, state.leader_epoch, state.last_change.reason),
        (before.isr, before.leader_epoch, ChangeReason::IsrConfirmed)
    );
    let error = error_of(&mut world, 1, held_up);
    assert_eq!(error, KafkaError::InvalidUpdateVersion);
}

#[test]
fn changes_of_one_request_are_judged_apart_and_in_order() {
    let mut world = world();
    world.create("u", &[&[1, 2], &[2, 1]], &[]);
    let first = world.alteration("t", 0, &[1]);
    let not_mine = world.alteration("u", 1, &[2]);
    let second = world.alteration("u", 0, &[1]);
    let request = AlterPartitionsRequest {
        broker_id: BrokerId(1),
        broker_epoch: world.epoch(1),
        partitions: vec![first.clone(), not_mine, second, first],
    };
    let decision = alter_within(&world.image, &request, RecordBudget::of_records(10)).unwrap();
    let errors = |decision: &Decision<AlterPartitionsResponse>| {
        decision
            .response
            .partitions
            .iter()
            .map(|result| result.error)
            .collect::<Vec<_>>()
    };
    let twice = Some(KafkaError::InvalidUpdateVersion);
    assert_eq!(
        errors(&decision),
        [None, Some(KafkaError::InvalidRequest), None, twice]
    );
    assert_eq!(decision.records.len(), 2);
    let cut = alter_within(&world.image, &request, RecordBudget::of_records(1)).unwrap();
    assert_eq!(errors(&cut)[2], Some(KafkaError::RequestTimedOut));
    assert_eq!(cut.records.len(), 1);
    world.commit(decision);
}
