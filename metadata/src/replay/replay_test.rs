//! The guard, the epochs and the refusals, by example.

use trimaran_types::{
    BrokerEpoch, BrokerId, DirectoryId, IncarnationId, LeaderEpoch, MetadataOffset, PartitionEpoch,
    PartitionIndex, Timestamp, TopicId, TopicName,
};

use super::*;
use crate::entry::MetadataEntry;
use crate::image::InvalidPartition;
use crate::record::*;

const TOPIC: &str = "AAAAAAAAAAAAAAAAAAAAAQ";

fn topic_id() -> TopicId {
    TOPIC.parse().unwrap()
}

fn directory() -> DirectoryId {
    TOPIC.parse().unwrap()
}

fn register(broker: u32, run: &str, epoch: u64) -> MetadataRecord {
    RegisterBroker {
        broker_id: BrokerId(broker),
        incarnation_id: run.parse::<IncarnationId>().unwrap(),
        broker_epoch: BrokerEpoch(epoch),
        client_address: String::new(),
        inter_node_address: String::new(),
        rack: None,
        directories: vec![directory()],
        fenced: true,
        in_controlled_shutdown: false,
        reason: FenceReason::Registered,
        origin: None,
    }
    .into()
}

fn partition(partition: u32) -> Partition {
    Partition {
        topic_id: topic_id(),
        partition: PartitionIndex(partition),
        replicas: vec![BrokerId(1), BrokerId(2)],
        directories: vec![directory(), directory()],
        isr: vec![BrokerId(1), BrokerId(2)],
        leader: Some(BrokerId(1)),
        leader_epoch: LeaderEpoch::FIRST,
        partition_epoch: PartitionEpoch::FIRST,
        leader_recovery: LeaderRecovery::Recovered,
        adding_replicas: Vec::new(),
        removing_replicas: Vec::new(),
        eligible_leader_replicas: Vec::new(),
        last_known_eligible: Vec::new(),
        reason: ChangeReason::Created,
        reason_broker: None,
        origin: None,
    }
}

fn change(reason: ChangeReason) -> PartitionChange {
    PartitionChange::new(topic_id(), PartitionIndex(0), reason)
}

fn topic(name: &str, id: TopicId) -> MetadataRecord {
    Topic {
        name: TopicName::new(name).unwrap(),
        topic_id: id,
    }
    .into()
}

fn config(resource_type: ConfigResourceType, owner: &str, value: Option<&str>) -> MetadataRecord {
    Config {
        resource_type,
        resource_name: owner.to_owned(),
        name: "min.insync.replicas".to_owned(),
        value: value.map(str::to_owned),
    }
    .into()
}

/// Two brokers and one topic of one partition, at index 5, term 2, offset 4.
fn base() -> MetadataImage {
    let records = vec![
        register(1, TOPIC, 0),
        register(2, TOPIC, 1),
        topic("a.b", topic_id()),
        partition(0).into(),
    ];
    let entry = MetadataEntry {
        term: 2,
        base_offset: MetadataOffset(0),
        timestamp: Timestamp(50),
        records,
    };
    let (image, outcome) = MetadataImage::default().apply(5, 2, &entry);
    let (base_offset, end_offset) = (MetadataOffset(0), MetadataOffset(4));
    assert_eq!(
        outcome,
        ApplyOutcome::Applied {
            base_offset,
            end_offset
        }
    );
    image
}

fn entry(records: Vec<MetadataRecord>) -> MetadataEntry {
    MetadataEntry {
        term: 2,
        base_offset: MetadataOffset(4),
        timestamp: Timestamp(60),
        records,
    }
}

fn invalid(records: Vec<MetadataRecord>) -> InvalidRecord {
    match base().apply(6, 2, &entry(records)) {
        (image, ApplyOutcome::Refused(Refused::Invalid { cause, .. })) => {
            assert_eq!(
                image,
                base().advance(6, 2),
                "a refused entry moves only the position"
            );
            cause
        }
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn the_guard_refuses_another_term_and_another_offset() {
    let fits = entry(vec![NoOp {}.into()]);
    let cases = [
        (
            MetadataEntry {
                term: 1,
                ..fits.clone()
            },
            Refused::Term {
                decided: 1,
                written: 2,
            },
        ),
        (
            MetadataEntry {
                base_offset: MetadataOffset(3),
                ..fits.clone()
            },
            Refused::Offset {
                decided: MetadataOffset(3),
                expected: MetadataOffset(4),
            },
        ),
        (
            MetadataEntry {
                base_offset: MetadataOffset(5),
                ..fits.clone()
            },
            Refused::Offset {
                decided: MetadataOffset(5),
                expected: MetadataOffset(4),
            },
        ),
    ];
    // Only too low an offset of the own term: too high a one may follow an entry that was lost.
    let of_another_history = cases
        .each_ref()
        .map(|(_, refused)| refused.is_of_another_history());
    assert_eq!(of_another_history, [false, true, false]);
    for (entry, refused) in cases {
        let (image, outcome) = base().apply(6, 2, &entry);
        assert_eq!(outcome, ApplyOutcome::Refused(refused));
        assert_eq!(image, base().advance(6, 2));
        assert_eq!(image.position.next_offset, MetadataOffset(4));
    }
    let (image, outcome) = base().apply(6, 2, &fits);
    assert!(matches!(outcome, ApplyOutcome::Applied { .. }));
    assert_eq!(image.position.next_offset, MetadataOffset(5));
}

#[test]
fn what_was_decided_on_a_refused_entry_is_refused_too() {
    let first = MetadataEntry {
        term: 1,
        ..entry(vec![NoOp {}.into()])
    };
    let second = MetadataEntry {
        base_offset: MetadataOffset(5),
        ..entry(vec![NoOp {}.into()])
    };
    let (image, _) = base().apply(6, 2, &first);
    let (image, outcome) = image.apply(7, 2, &second);
    assert!(matches!(
        outcome,
        ApplyOutcome::Refused(Refused::Offset { .. })
    ));
    assert_eq!(image, base().advance(7, 2));
}

#[test]
fn an_entry_that_was_replayed_before_moves_nothing() {
    let (image, outcome) = base().apply(5, 2, &entry(vec![NoOp {}.into()]));
    let refused = Refused::Replayed {
        index: 5,
        at_index: 5,
    };
    assert_eq!((image, outcome), (base(), ApplyOutcome::Refused(refused)));
    assert_eq!(base().advance(4, 1), base());
}

#[test]
fn epochs_are_counted_by_replay() {
    let isr_only = PartitionChange {
        isr: Some(vec![BrokerId(1)]),
        ..change(ChangeReason::IsrShrunkByLag)
    };
    let same_leader = PartitionChange {
        leader: Some(Some(BrokerId(1))),
        ..change(ChangeReason::Elected)
    };
    let no_leader = PartitionChange {
        leader: Some(None),
        ..change(ChangeReason::BrokerFenced)
    };
    for (record, leader_epoch, leader) in [
        (isr_only, 0, Some(1)),
        (same_leader, 1, Some(1)),
        (no_leader, 1, None),
    ] {
        let (image, _) = base().apply(6, 2, &entry(vec![record.clone().into()]));
        let topic = image.topics.get(topic_id()).unwrap();
        let state = topic.partition(PartitionIndex(0)).unwrap();
        assert_eq!(state.leader_epoch, LeaderEpoch(leader_epoch), "{record:?}");
        assert_eq!(state.partition_epoch, PartitionEpoch(1), "{record:?}");
        assert_eq!(state.leader, leader.map(BrokerId), "{record:?}");
        assert_eq!(state.last_change.reason, record.reason);
        assert_eq!(
            state.last_change.origin,
            ChangeOrigin {
                at: Timestamp(60),
                index: 6,
                offset: MetadataOffset(4)
            }
        );
    }
}

#[test]
fn epochs_never_wrap() {
    let last = Partition {
        leader_epoch: LeaderEpoch(i32::MAX),
        ..partition(1)
    };
    let bump = PartitionChange {
        leader: Some(None),
        partition: PartitionIndex(1),
        ..change(ChangeReason::Elected)
    };
    let cause = invalid(vec![last.into(), bump.into()]);
    assert!(
        matches!(cause, InvalidRecord::EpochsUsedUp { .. }),
        "{cause:?}"
    );
}

#[test]
fn topics_are_one_to_one_with_names() {
    let other: TopicId = "AAAAAAAAAAAAAAAAAAAAAg".parse().unwrap();
    let taken = |name: &str| match invalid(vec![topic(name, other)]) {
        InvalidRecord::TopicNameTaken { existing, .. } => existing.to_string(),
        unexpected => panic!("{unexpected:?}"),
    };
    assert_eq!(taken("a.b"), "a.b");
    assert_eq!(taken("a_b"), "a.b");
    let cause = invalid(vec![topic("c", topic_id())]);
    assert_eq!(
        cause,
        InvalidRecord::TopicIdTaken {
            topic_id: topic_id()
        }
    );
    let cause = invalid(vec![RemoveTopic { topic_id: other }.into()]);
    assert_eq!(cause, InvalidRecord::UnknownTopic { topic_id: other });
}

#[test]
fn a_deleted_topic_takes_its_partitions_and_configuration_along() {
    let name = TopicName::new("a.b").unwrap();
    let other: TopicId = "AAAAAAAAAAAAAAAAAAAAAg".parse().unwrap();
    let (image, _) = base().apply(
        6,
        2,
        &entry(vec![
            config(ConfigResourceType::Topic, "a.b", Some("1")),
            RemoveTopic {
                topic_id: topic_id(),
            }
            .into(),
            topic("a_b", other),
        ]),
    );
    assert_eq!(image.topics.len(), 1);
    assert_eq!(image.partitions().count(), 0);
    assert_eq!(image.configs.topic(&name).count(), 0);
    assert!(image.topics.by_name(&name).is_none());
}

#[test]
fn records_about_what_is_not_there_are_refused() {
    let epoch = BrokerEpoch(9);
    let unregister = UnregisterBroker {
        broker_id: BrokerId(3),
        broker_epoch: epoch,
    };
    assert_eq!(
        invalid(vec![unregister.into()]),
        InvalidRecord::UnknownBroker {
            broker: BrokerId(3)
        }
    );
    let stale = UnregisterBroker {
        broker_id: BrokerId(2),
        broker_epoch: epoch,
    };
    assert!(matches!(
        invalid(vec![stale.into()]),
        InvalidRecord::BrokerEpochMismatch {
            named: BrokerEpoch(9),
            ..
        }
    ));
    let leading = UnregisterBroker {
        broker_id: BrokerId(1),
        broker_epoch: BrokerEpoch(0),
    };
    assert!(matches!(
        invalid(vec![leading.into()]),
        InvalidRecord::BrokerStillLeads { .. }
    ));
    let gap = invalid(vec![partition(2).into()]);
    assert!(
        matches!(gap, InvalidRecord::PartitionOutOfOrder { next: 1, .. }),
        "{gap:?}"
    );
    let unknown = PartitionChange {
        partition: PartitionIndex(3),
        ..change(ChangeReason::Elected)
    };
    assert!(matches!(
        invalid(vec![unknown.into()]),
        InvalidRecord::UnknownPartition { .. }
    ));
    let cause = invalid(vec![config(ConfigResourceType::Topic, "zzz", Some("1"))]);
    assert!(matches!(cause, InvalidRecord::UnknownConfigResource { .. }));
    let stranger = PartitionChange {
        leader: Some(Some(BrokerId(2))),
        isr: None,
        ..change(ChangeReason::Elected)
    };
    let (image, _) = base().apply(6, 2, &entry(vec![stranger.into()]));
    assert_eq!(image.partitions_led_by(BrokerId(2)).count(), 1);
}

#[test]
fn a_partition_never_gets_into_a_state_that_cannot_be() {
    let causes = [
        PartitionChange {
            isr: Some(vec![BrokerId(2)]),
            ..change(ChangeReason::Elected)
        },
        PartitionChange {
            isr: Some(vec![BrokerId(3)]),
            ..change(ChangeReason::Elected)
        },
        PartitionChange {
            eligible_leader_replicas: Some(vec![BrokerId(2)]),
            ..change(ChangeReason::Elected)
        },
        PartitionChange {
            directories: Some(vec![]),
            ..change(ChangeReason::Elected)
        },
    ]
    .map(|record| match invalid(vec![record.into()]) {
        InvalidRecord::Partition { cause, .. } => cause,
        unexpected => panic!("{unexpected:?}"),
    });
    let (one, other) = ("the ISR", "the eligible replicas");
    assert_eq!(
        causes,
        [
            InvalidPartition::LeaderNotInSync {
                leader: BrokerId(1)
            },
            InvalidPartition::NotAReplica {
                list: "the ISR",
                broker: BrokerId(3)
            },
            InvalidPartition::Overlap {
                one,
                other,
                broker: BrokerId(2)
            },
            InvalidPartition::DirectoryCount {
                directories: 0,
                replicas: 2
            },
        ]
    );
    let moved = PartitionChange {
        replicas: Some(vec![BrokerId(1), BrokerId(3)]),
        ..change(ChangeReason::Reassigned)
    };
    assert!(matches!(
        invalid(vec![moved.into()]),
        InvalidRecord::ReplicasWithoutDirectories { .. }
    ));
}

#[test]
fn registrations_never_go_back() {
    let other_run = "AAAAAAAAAAAAAAAAAAAAAg";
    let cases = [
        register(2, other_run, 1),
        register(2, other_run, 0),
        register(2, TOPIC, 4),
    ];
    for record in cases {
        let cause = invalid(vec![record]);
        assert!(
            matches!(cause, InvalidRecord::BrokerEpochMismatch { .. }),
            "{cause:?}"
        );
    }
    let change = BrokerRegistrationChange {
        broker_id: BrokerId(2),
        broker_epoch: BrokerEpoch(1),
        fenced: Some(false),
        in_controlled_shutdown: None,
        directories: None,
        reason: FenceReason::CaughtUp,
    };
    let (image, _) = base().apply(6, 2, &entry(vec![change.clone().into()]));
    assert!(image.brokers.is_active(BrokerId(2)));
    let back = BrokerRegistrationChange {
        in_controlled_shutdown: Some(false),
        ..change
    };
    let cause = invalid(vec![back.into()]);
    assert_eq!(
        cause,
        InvalidRecord::ShutdownTakenBack {
            broker: BrokerId(2)
        }
    );
}

#[test]
fn configuration_of_the_topic_wins_over_the_cluster_and_replicas_limit_it() {
    let name = TopicName::new("a.b").unwrap();
    let minimum = |records: Vec<MetadataRecord>| {
        let (image, outcome) = base().apply(6, 2, &entry(records));
        assert!(
            matches!(outcome, ApplyOutcome::Applied { .. }),
            "{outcome:?}"
        );
        let state = image
            .topics
            .by_name(&name)
            .unwrap()
            .partition(PartitionIndex(0))
            .unwrap();
        image.min_insync_replicas(&name, state)
    };
    let topic = |value| config(ConfigResourceType::Topic, "a.b", value);
    let cluster = |value| config(ConfigResourceType::Broker, "", value);
    assert_eq!(minimum(vec![]), 2);
    assert_eq!(minimum(vec![cluster(Some("1"))]), 1);
    assert_eq!(minimum(vec![cluster(Some("1")), topic(Some("5"))]), 2);
    assert_eq!(minimum(vec![topic(Some("1")), topic(None)]), 2);
    assert_eq!(minimum(vec![topic(Some("0"))]), 2);
}

#[test]
fn pending_records_give_the_view_that_the_commit_will_give() {
    let records = vec![
        PartitionChange {
            isr: Some(vec![BrokerId(1)]),
            ..change(ChangeReason::IsrShrunkByLag)
        }
        .into(),
    ];
    let pending = base().replay_pending(&records).unwrap();
    assert_eq!(pending.position.next_offset, MetadataOffset(5));
    let (committed, _) = base().apply(6, 2, &entry(records));
    let state = |image: &MetadataImage| {
        image
            .topics
            .get(topic_id())
            .unwrap()
            .partition(PartitionIndex(0))
            .unwrap()
            .clone()
    };
    assert_eq!(state(&pending).isr, state(&committed).isr);
    assert_eq!(
        state(&pending).partition_epoch,
        state(&committed).partition_epoch
    );
    assert!(base().replay_pending(&[partition(7).into()]).is_err());
}
