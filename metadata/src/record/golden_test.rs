//! Every record, in JSON and in MessagePack, as it was first written: `golden.txt` is frozen.
//!
//! A line that no longer matches is a log that can no longer be read. Add lines; change none.

use std::collections::BTreeMap;

use trimaran_types::{
    BrokerEpoch, BrokerId, DirectoryId, IncarnationId, LeaderEpoch, MetadataOffset, PartitionEpoch,
    PartitionIndex, Timestamp, TopicId, TopicName,
};

use super::*;

const GOLDEN: &str = include_str!("golden.txt");

const IDS: [&str; 3] = [
    "AAAAAAAAAAAAAAAAAAAAAQ",
    "AAAAAAAAAAAAAAAAAAAAAg",
    "AAAAAAAAAAAAAAAAAAAAAw",
];

fn origin() -> ChangeOrigin {
    ChangeOrigin {
        at: Timestamp(1_700_000_000_000),
        index: 77,
        offset: MetadataOffset(500),
    }
}

fn topic_id() -> TopicId {
    IDS[0].parse().unwrap()
}

fn directories() -> Vec<DirectoryId> {
    vec![IDS[1].parse().unwrap(), IDS[2].parse().unwrap()]
}

fn brokers(ids: &[u32]) -> Vec<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}

fn register(rack: Option<&str>, origin: Option<ChangeOrigin>) -> MetadataRecord {
    RegisterBroker {
        broker_id: BrokerId(1),
        incarnation_id: IDS[0].parse::<IncarnationId>().unwrap(),
        broker_epoch: BrokerEpoch(300),
        client_address: "127.0.0.1:8082".to_owned(),
        inter_node_address: "127.0.0.1:9092".to_owned(),
        rack: rack.map(str::to_owned),
        directories: directories(),
        fenced: true,
        in_controlled_shutdown: false,
        reason: FenceReason::Registered,
        origin,
    }
    .into()
}

fn partition(full: bool) -> MetadataRecord {
    let when_full = |ids: &[u32]| if full { brokers(ids) } else { Vec::new() };
    Partition {
        topic_id: topic_id(),
        partition: PartitionIndex(5),
        replicas: brokers(&[1, 2]),
        directories: directories(),
        isr: brokers(&[2]),
        leader: full.then_some(BrokerId(2)),
        leader_epoch: LeaderEpoch(4),
        partition_epoch: PartitionEpoch(9),
        leader_recovery: if full {
            LeaderRecovery::Recovering
        } else {
            LeaderRecovery::Recovered
        },
        adding_replicas: when_full(&[2]),
        removing_replicas: when_full(&[1]),
        eligible_leader_replicas: when_full(&[1]),
        last_known_eligible: when_full(&[1]),
        reason: ChangeReason::BrokerFenced,
        reason_broker: full.then_some(BrokerId(1)),
        origin: full.then_some(origin()),
    }
    .into()
}

fn full_change() -> MetadataRecord {
    PartitionChange {
        isr: Some(brokers(&[2])),
        leader: Some(Some(BrokerId(2))),
        replicas: Some(brokers(&[1, 2])),
        directories: Some(directories()),
        adding_replicas: Some(Vec::new()),
        removing_replicas: Some(Vec::new()),
        leader_recovery: Some(LeaderRecovery::Recovered),
        eligible_leader_replicas: Some(brokers(&[1])),
        last_known_eligible: Some(brokers(&[2])),
        reason_broker: Some(BrokerId(1)),
        ..PartitionChange::new(
            topic_id(),
            PartitionIndex(5),
            ChangeReason::ControlledShutdown,
        )
    }
    .into()
}

fn leader_change(leader: Option<Option<BrokerId>>) -> MetadataRecord {
    PartitionChange {
        leader,
        ..PartitionChange::new(topic_id(), PartitionIndex(5), ChangeReason::Elected)
    }
    .into()
}

fn registration_change(full: bool) -> MetadataRecord {
    BrokerRegistrationChange {
        broker_id: BrokerId(1),
        broker_epoch: BrokerEpoch(300),
        fenced: Some(!full),
        in_controlled_shutdown: full.then_some(true),
        directories: full.then(directories),
        reason: FenceReason::SessionTimeout,
    }
    .into()
}

fn config(resource_type: ConfigResourceType, owner: &str, value: Option<&str>) -> MetadataRecord {
    Config {
        resource_type,
        resource_name: owner.to_owned(),
        name: "retention.ms".to_owned(),
        value: value.map(str::to_owned),
    }
    .into()
}

fn samples() -> Vec<(&'static str, MetadataRecord)> {
    let (broker_id, broker_epoch) = (BrokerId(1), BrokerEpoch(300));
    let name = TopicName::new("flights").unwrap();
    vec![
        ("register-broker", register(None, None)),
        (
            "register-broker-full",
            register(Some("west"), Some(origin())),
        ),
        (
            "unregister-broker",
            UnregisterBroker {
                broker_id,
                broker_epoch,
            }
            .into(),
        ),
        ("broker-registration-change", registration_change(false)),
        ("broker-registration-change-full", registration_change(true)),
        (
            "topic",
            Topic {
                name,
                topic_id: topic_id(),
            }
            .into(),
        ),
        (
            "remove-topic",
            RemoveTopic {
                topic_id: topic_id(),
            }
            .into(),
        ),
        ("partition", partition(false)),
        ("partition-full", partition(true)),
        ("partition-change-nothing", leader_change(None)),
        ("partition-change-no-leader", leader_change(Some(None))),
        ("partition-change-full", full_change()),
        (
            "config-topic",
            config(ConfigResourceType::Topic, "flights", Some("1000")),
        ),
        (
            "config-cluster-removed",
            config(ConfigResourceType::Broker, "", None),
        ),
        (
            "producer-ids",
            ProducerIds {
                broker_id,
                broker_epoch,
                next_producer_id: 5_000_000_000,
            }
            .into(),
        ),
        (
            "feature-level",
            FeatureLevel {
                name: "metadata.version".to_owned(),
                level: 1,
            }
            .into(),
        ),
        ("no-op", NoOp {}.into()),
    ]
}

fn golden() -> BTreeMap<(&'static str, &'static str), &'static str> {
    GOLDEN
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let mut parts = line.splitn(3, ' ');
            let mut next = || parts.next().expect("a line has name, encoding and value");
            ((next(), next()), next())
        })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text
        .chars()
        .map(|digit| digit.to_digit(16).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap())
        .collect()
}

#[test]
fn every_record_is_written_and_read_as_ever() {
    let golden = golden();
    let mut missing = String::new();
    for (name, record) in samples() {
        let json = serde_json::to_string(&record).unwrap();
        let bytes = rmp_serde::to_vec_named(&record).unwrap();
        let Some(golden_json) = golden.get(&(name, "json")) else {
            missing.push_str(&format!("{name} json {json}\n{name} hex {}\n", hex(&bytes)));
            continue;
        };
        let golden_hex = golden[&(name, "hex")];
        assert_eq!(json, *golden_json, "{name}");
        assert_eq!(hex(&bytes), golden_hex, "{name}");
        assert_eq!(
            serde_json::from_str::<MetadataRecord>(golden_json).unwrap(),
            record,
            "{name}"
        );
        let read: MetadataRecord = rmp_serde::from_slice(&unhex(golden_hex)).unwrap();
        assert_eq!(read, record, "{name}");
    }
    assert!(missing.is_empty(), "golden.txt lacks:\n{missing}");
    assert_eq!(
        golden.len(),
        samples().len() * 2,
        "golden.txt has lines of no sample"
    );
}

#[test]
fn every_type_has_a_sample() {
    for record_type in RecordType::ALL {
        let has_sample = samples()
            .iter()
            .any(|(_, sample)| sample.record_type() == *record_type);
        assert!(has_sample, "{}", record_type.name());
    }
}

#[test]
fn what_is_not_known_in_full_is_refused_by_name() {
    let refused = |json: &str| {
        serde_json::from_str::<MetadataRecord>(json)
            .unwrap_err()
            .to_string()
    };
    let message = refused(r#"{"type":"Quota","version":2,"data":{"x":[1]}}"#);
    assert!(
        message.contains("unknown record type 'Quota' (version 2)"),
        "{message}"
    );
    let message = refused(r#"{"type":"NoOp","version":1,"data":{}}"#);
    assert!(
        message.contains("version 1 of record type 'NoOp' is unknown"),
        "{message}"
    );
    let message = refused(r#"{"type":"NoOp","version":0,"data":{"x":1}}"#);
    assert!(message.contains("unknown field `x`"), "{message}");
    let message = refused(r#"{"data":{},"type":"NoOp","version":0}"#);
    assert!(message.contains("in order"), "{message}");
    let message = refused(r#"{"type":"NoOp","version":0}"#);
    assert!(message.contains("in order"), "{message}");
}

#[test]
fn texts_of_reasons_are_those_in_the_log() {
    for reason in [
        ChangeReason::Created,
        ChangeReason::IsrShrunkByLag,
        ChangeReason::DiskReplaced,
    ] {
        assert_eq!(
            serde_json::to_string(&reason).unwrap(),
            format!("\"{reason}\"")
        );
    }
    for reason in [
        FenceReason::Registered,
        FenceReason::SessionTimeout,
        FenceReason::ShutDown,
    ] {
        assert_eq!(
            serde_json::to_string(&reason).unwrap(),
            format!("\"{reason}\"")
        );
    }
}
