//! Topics as created, and every way not to.

use trimaran_types::PartitionIndex;

use super::*;
use crate::decide::topics::delete_topic;
use crate::decide::world::{World, id, ids, refused, setting};

fn request(name: &str) -> CreateTopicRequest {
    CreateTopicRequest {
        name: name.to_owned(),
        partitions: None,
        replication_factor: None,
        assignments: None,
        configs: Vec::new(),
        validate_only: false,
    }
}

fn create(
    world: &World,
    request: &CreateTopicRequest,
) -> Result<Decision<CreateTopicResponse>, Refusal> {
    create_topic(&world.image, request, id(500), 42)
}

fn error(world: &World, request: &CreateTopicRequest) -> KafkaError {
    refused(create(world, request)).error
}

#[test]
fn defaults_are_one_partition_and_three_replicas_as_far_as_brokers_go() {
    for (brokers, replicas) in [(1, 1), (2, 2), (3, 3), (5, 3)] {
        let world = World::with_brokers(brokers);
        let topic = create(&world, &request("t")).unwrap().response.topic;
        assert_eq!(topic.partitions.len(), 1);
        assert_eq!(topic.partitions[0].replicas.len(), replicas);
    }
    let world = World::with_brokers(3);
    let asked = CreateTopicRequest {
        partitions: Some(-1),
        replication_factor: Some(-1),
        ..request("t")
    };
    assert_eq!(
        create(&world, &asked).unwrap().response.topic.partitions[0]
            .replicas
            .len(),
        3
    );
}

#[test]
fn the_cluster_may_set_other_defaults() {
    let mut world = World::with_brokers(3);
    let set = |name: &str, value: &str| {
        MetadataRecord::from(Config {
            resource_type: ConfigResourceType::Broker,
            resource_name: String::new(),
            name: name.to_owned(),
            value: Some(value.to_owned()),
        })
    };
    let records = vec![
        set("num.partitions", "4"),
        set("default.replication.factor", "2"),
    ];
    world.commit(Decision {
        records,
        response: (),
    });
    let topic = create(&world, &request("t")).unwrap().response.topic;
    assert_eq!(
        (topic.partitions.len(), topic.partitions[0].replicas.len()),
        (4, 2)
    );
}

#[test]
fn a_topic_comes_whole_in_one_entry() {
    let mut world = World::with_brokers(3);
    world.fence(3);
    let asked = CreateTopicRequest {
        partitions: Some(6),
        configs: vec![setting("retention.ms", "1000")],
        ..request("flights")
    };
    let decision = create(&world, &asked).unwrap();
    assert_eq!(decision.records.len(), 1 + 6 + 1);
    let answered = world.commit(decision).topic;
    let topic = world.image.topics.by_name(&answered.name).unwrap();
    assert_eq!(topic_status(&world.image, topic), answered);
    for (_, state) in topic.partitions() {
        assert_eq!(state.replicas.len(), 3, "the fenced broker follows");
        assert_eq!(state.isr.len(), 2, "and is not in sync");
        assert!(state.leader == Some(BrokerId(1)) || state.leader == Some(BrokerId(2)));
        assert_eq!(state.leader, state.isr.first().copied());
        assert_eq!(
            (state.leader_epoch, state.partition_epoch),
            (LeaderEpoch(0), PartitionEpoch(0))
        );
    }
    assert_eq!(answered.configs.len(), 1);
    assert_eq!(
        answered.partitions[0].last_change.as_deref(),
        Some("created")
    );
}

#[test]
fn the_first_replica_in_service_leads() {
    let mut world = World::with_brokers(3);
    world.fence(2);
    world.create("t", &[&[2, 3, 1]], &[]);
    let state = world.state("t", 0);
    assert_eq!(
        (state.leader, state.isr.clone()),
        (Some(BrokerId(3)), ids(&[3, 1]))
    );
    assert_eq!(state.directories, vec![id(2), id(3), id(1)]);
}

#[test]
fn a_broker_with_several_directories_fills_the_emptiest() {
    let mut world = World::with_brokers(2);
    let mut several = world.request(3);
    several.directories = vec![id(31), id(32), id(33)];
    world.register(&several);
    world.create("t", &[&[3, 1], &[3, 2]], &[]);
    world.create("u", &[&[1, 3], &[2, 3], &[3, 1]], &[]);
    let places = |topic: &str, partitions: u32| -> Vec<DirectoryId> {
        (0..partitions)
            .filter_map(|partition| world.state(topic, partition).directory_of(BrokerId(3)))
            .collect()
    };
    assert_eq!(places("t", 2), [id(31), id(32)]);
    assert_eq!(places("u", 3), [id(33), id(31), id(32)]);
}

#[test]
fn validate_only_checks_and_writes_nothing() {
    let world = World::with_brokers(3);
    let asked = CreateTopicRequest {
        validate_only: true,
        ..request("t")
    };
    let decision = create(&world, &asked).unwrap();
    assert_eq!(decision.records, vec![]);
    assert_eq!(decision.response.topic.partitions.len(), 1);
    let wrong = CreateTopicRequest {
        partitions: Some(0),
        ..asked
    };
    assert_eq!(error(&world, &wrong), KafkaError::InvalidPartitions);
}

#[test]
fn names_are_checked() {
    let mut world = World::with_brokers(1);
    world.create("a.b", &[&[1]], &[]);
    for (name, expected) in [
        ("", KafkaError::InvalidTopicException),
        ("a/b", KafkaError::InvalidTopicException),
        ("..", KafkaError::InvalidTopicException),
        ("a_b", KafkaError::InvalidTopicException),
        ("a.b", KafkaError::TopicAlreadyExists),
    ] {
        assert_eq!(error(&world, &request(name)), expected, "{name}");
    }
    let refusal = refused(create(&world, &request("a.b")));
    assert_eq!(refusal.message, "Topic 'a.b' already exists.");
}

#[test]
fn numbers_are_checked() {
    let mut world = World::with_brokers(3);
    for (partitions, factor, expected) in [
        (Some(0), None, KafkaError::InvalidPartitions),
        (Some(-2), None, KafkaError::InvalidPartitions),
        (Some(10_001), None, KafkaError::InvalidPartitions),
        (Some(i64::MAX), None, KafkaError::InvalidPartitions),
        (None, Some(0), KafkaError::InvalidReplicationFactor),
        (None, Some(4), KafkaError::InvalidReplicationFactor),
        (None, Some(i64::MIN), KafkaError::InvalidReplicationFactor),
    ] {
        let asked = CreateTopicRequest {
            partitions,
            replication_factor: factor,
            ..request("t")
        };
        assert_eq!(error(&world, &asked), expected, "{partitions:?} {factor:?}");
    }
    let refusal = refused(create(
        &world,
        &CreateTopicRequest {
            replication_factor: Some(4),
            ..request("t")
        },
    ));
    assert_eq!(
        refusal.message,
        "replication factor 4 is larger than the 3 usable brokers"
    );
    for broker in 1..=3 {
        world.fence(broker);
    }
    assert_eq!(
        error(&world, &request("t")),
        KafkaError::InvalidReplicationFactor
    );
    assert_eq!(
        error(&World::with_brokers(0), &request("t")),
        KafkaError::InvalidReplicationFactor
    );
}

#[test]
fn the_largest_topic_fits_into_an_entry_and_a_larger_one_is_refused_before_it_is_proposed() {
    let mut world = World::with_brokers(3);
    let asked = CreateTopicRequest {
        partitions: Some(10_000),
        ..request("t")
    };
    let decision = create(&world, &asked).unwrap();
    world.commit(decision);
    let world = World::with_brokers(40);
    let asked = CreateTopicRequest {
        partitions: Some(10_000),
        replication_factor: Some(40),
        ..request("t")
    };
    assert_eq!(error(&world, &asked), KafkaError::PolicyViolation);
}

#[test]
fn assignments_are_checked() {
    let mut world = World::with_brokers(3);
    world.fence(3);
    let assigned = |lists: &[(u32, &[u32])]| CreateTopicRequest {
        assignments: Some(
            lists
                .iter()
                .map(|(partition, list)| (PartitionIndex(*partition), ids(list)))
                .collect(),
        ),
        ..request("t")
    };
    let invalid = [
        assigned(&[(1, &[1])]),
        assigned(&[(0, &[1]), (2, &[1])]),
        assigned(&[(0, &[])]),
        assigned(&[(0, &[1, 1])]),
        assigned(&[(0, &[1, 9])]),
        assigned(&[(0, &[1, 2]), (1, &[1])]),
        assigned(&[(0, &[3])]),
    ];
    for asked in invalid {
        assert_eq!(
            error(&world, &asked),
            KafkaError::InvalidReplicaAssignment,
            "{asked:?}"
        );
    }
    assert_eq!(error(&world, &assigned(&[])), KafkaError::InvalidPartitions);
    let both = CreateTopicRequest {
        partitions: Some(1),
        ..assigned(&[(0, &[1])])
    };
    assert_eq!(error(&world, &both), KafkaError::InvalidRequest);
    assert!(create(&world, &assigned(&[(0, &[1, 2]), (1, &[3, 1])])).is_ok());
}

#[test]
fn settings_are_checked() {
    let world = World::with_brokers(1);
    let asked = CreateTopicRequest {
        configs: vec![setting("retention", "1")],
        ..request("t")
    };
    assert_eq!(error(&world, &asked), KafkaError::InvalidConfig);
}

#[test]
fn a_deleted_topic_is_gone_and_its_name_is_free() {
    let mut world = World::with_brokers(1);
    world.create("t", &[&[1]], &[("retention.ms", "5")]);
    let name = TopicName::new("t").unwrap();
    let old = world.partition_id("t", 0).topic_id;
    let decision = delete_topic(&world.image, &name).unwrap();
    assert_eq!(world.commit(decision), old);
    assert_eq!(
        refused(delete_topic(&world.image, &name)).error,
        KafkaError::UnknownTopicOrPartition
    );
    world.create("t", &[&[1]], &[]);
    assert_ne!(world.partition_id("t", 0).topic_id, old);
    assert_eq!(world.image.configs.topic(&name).count(), 0);
}
