//! The laws of images, over random histories: images replay alike everywhere, survive snapshots,
//! keep their invariants, and deltas name exactly what differs.

use proptest::prelude::*;
use trimaran_types::{
    BrokerEpoch, BrokerId, LeaderEpoch, MetadataOffset, PartitionEpoch, PartitionIndex, Timestamp,
    TopicId, TopicName,
};

use crate::record::*;
use crate::{ApplyOutcome, ImageDelta, MetadataEntry, MetadataImage, Snapshot};

/// One random choice; what it becomes depends on the image it meets.
type Choice = (u8, u8, u8, u8);

/// An id whose 22 characters hold `number`, so that choices can mean the same one again.
fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(number: u8) -> T {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digit = char::from(DIGITS[usize::from(number % 64)]);
    format!("{}{digit}AAA", "A".repeat(18)).parse().unwrap()
}

fn broker(number: u8) -> BrokerId {
    BrokerId(u32::from(number % 5))
}

fn partition(topic_id: TopicId, count: usize, (_, b, c, d): Choice) -> Partition {
    let replicas = vec![broker(b), broker(b + 1), broker(b + 2)];
    let isr: Vec<BrokerId> = replicas[..usize::from(c % 4)].to_vec();
    Partition {
        topic_id,
        partition: PartitionIndex(u32::try_from(count).unwrap()),
        directories: vec![id(d), id(d + 1), id(c)],
        leader: isr.first().copied(),
        eligible_leader_replicas: if c % 4 == 0 {
            vec![broker(b + 1)]
        } else {
            Vec::new()
        },
        last_known_eligible: if c % 4 == 0 {
            vec![broker(b + 2)]
        } else {
            Vec::new()
        },
        isr,
        replicas,
        leader_epoch: LeaderEpoch::FIRST,
        partition_epoch: PartitionEpoch::FIRST,
        leader_recovery: LeaderRecovery::Recovered,
        adding_replicas: Vec::new(),
        removing_replicas: Vec::new(),
        reason: ChangeReason::Created,
        reason_broker: None,
        origin: None,
    }
}

fn partition_change(topic_id: TopicId, (a, b, c, d): Choice) -> PartitionChange {
    PartitionChange {
        isr: (a % 2 == 0).then(|| (0..c % 4).map(|place| broker(b + place)).collect()),
        leader: (d % 3 != 0).then_some((d % 3 == 1).then_some(broker(b))),
        eligible_leader_replicas: (c % 3 == 0).then(Vec::new),
        leader_recovery: (d % 5 == 0).then_some(LeaderRecovery::Recovering),
        reason_broker: (a % 3 == 0).then_some(broker(a)),
        ..PartitionChange::new(
            topic_id,
            PartitionIndex(u32::from(a % 3)),
            if c % 2 == 0 {
                ChangeReason::Elected
            } else {
                ChangeReason::BrokerFenced
            },
        )
    }
}

fn record(image: &MetadataImage, choice: Choice) -> MetadataRecord {
    let (a, b, c, d) = choice;
    let topic_id: TopicId = id(b % 6);
    let existing = image.brokers.get(broker(b));
    let broker_epoch = existing.map_or(BrokerEpoch(0), |existing| existing.broker_epoch);
    match a % 12 {
        0 | 1 => RegisterBroker {
            broker_id: broker(b),
            incarnation_id: id(c),
            broker_epoch: BrokerEpoch(image.position.next_offset.0),
            client_address: format!("127.0.0.1:{c}"),
            inter_node_address: format!("127.0.0.1:{d}"),
            rack: (c % 2 == 0).then(|| "west".to_owned()),
            directories: vec![id(d)],
            fenced: c % 3 == 0,
            in_controlled_shutdown: false,
            reason: FenceReason::Registered,
            origin: None,
        }
        .into(),
        2 => UnregisterBroker {
            broker_id: broker(b),
            broker_epoch,
        }
        .into(),
        3 => BrokerRegistrationChange {
            broker_id: broker(b),
            broker_epoch,
            fenced: (c % 2 == 0).then_some(d % 2 == 0),
            in_controlled_shutdown: (c % 5 == 0).then_some(true),
            directories: (c % 7 == 0).then(|| vec![id(c)]),
            reason: FenceReason::Requested,
        }
        .into(),
        4 => {
            let name = ["a", "b.c", "b_c", "d-e", "f"][usize::from(c % 5)];
            Topic {
                name: TopicName::new(name).unwrap(),
                topic_id,
            }
            .into()
        }
        5 if c % 3 == 0 => RemoveTopic { topic_id }.into(),
        5..=7 => {
            let count = image
                .topics
                .get(topic_id)
                .map_or(0, crate::TopicImage::partition_count);
            partition(topic_id, count, choice).into()
        }
        8 | 9 => partition_change(topic_id, choice).into(),
        10 => Config {
            resource_type: ConfigResourceType::Broker,
            resource_name: if c % 2 == 0 {
                String::new()
            } else {
                b.to_string()
            },
            name: "retention.ms".to_owned(),
            value: (d % 2 == 0).then(|| d.to_string()),
        }
        .into(),
        _ if c % 2 == 0 => ProducerIds {
            broker_id: broker(b),
            broker_epoch,
            next_producer_id: u64::from(d) * 1000,
        }
        .into(),
        _ => FeatureLevel {
            name: format!("feature-{}", b % 2),
            level: u16::from(c % 3),
        }
        .into(),
    }
}

/// The entries of a random history; some are refused.
fn history(choices: &[Vec<Choice>]) -> Vec<(u64, u64, MetadataEntry)> {
    let mut image = MetadataImage::default();
    let mut entries = Vec::new();
    for (place, entry_choices) in choices.iter().enumerate() {
        let index = place as u64 + 1;
        let mut view = image.clone();
        let mut records = Vec::new();
        for choice in entry_choices {
            let record = record(&view, *choice);
            if let Ok(next) = view.replay_pending(std::slice::from_ref(&record)) {
                view = next;
                records.push(record);
            } else if choice.3 % 8 == 0 {
                records.push(record);
            }
        }
        let stale = entry_choices
            .first()
            .is_some_and(|choice| choice.3 % 16 == 1);
        let base_offset = MetadataOffset(image.position.next_offset.0 + u64::from(stale));
        let timestamp = Timestamp(1_000 + i64::try_from(index).unwrap());
        let entry = MetadataEntry {
            term: 1 + index / 20,
            base_offset,
            timestamp,
            records,
        };
        image = image.apply(index, entry.term, &entry).0;
        entries.push((index, entry.term, entry));
    }
    entries
}

fn replayed(entries: &[(u64, u64, MetadataEntry)]) -> MetadataImage {
    entries
        .iter()
        .fold(MetadataImage::default(), |image, (index, term, entry)| {
            image.apply(*index, *term, entry).0
        })
}

fn choices() -> impl Strategy<Value = Vec<Vec<Choice>>> {
    let choice = (0..60_u8, 0..60_u8, 0..60_u8, 0..60_u8);
    prop::collection::vec(prop::collection::vec(choice, 1..5), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_same_entries_make_the_same_image_through_any_encoding(choices in choices()) {
        let entries = history(&choices);
        let mut first = MetadataImage::default();
        let mut second = MetadataImage::default();
        let mut third = MetadataImage::default();
        for (index, term, entry) in &entries {
            let bytes = MetadataEntry::decode(&entry.encode().unwrap()).unwrap();
            let json = serde_json::to_string(entry).unwrap();
            let json: MetadataEntry = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(&bytes, entry);
            prop_assert_eq!(&json, entry);
            let outcome;
            (first, outcome) = first.apply(*index, *term, entry);
            let (next, other) = second.apply(*index, *term, &bytes);
            prop_assert_eq!(&outcome, &other);
            second = next;
            third = third.apply(*index, *term, &json).0;
        }
        prop_assert_eq!(&first, &second);
        prop_assert_eq!(&first, &third);
    }

    #[test]
    fn invariants_hold_and_refused_entries_change_nothing(choices in choices()) {
        let mut image = MetadataImage::default();
        for (index, term, entry) in history(&choices) {
            let (next, outcome) = image.apply(index, term, &entry);
            prop_assert_eq!(next.validate(), Ok(()));
            match outcome {
                ApplyOutcome::Refused(_) => prop_assert_eq!(&next, &image.advance(index, term)),
                ApplyOutcome::Applied { base_offset, end_offset } => {
                    prop_assert_eq!(base_offset, image.position.next_offset);
                    prop_assert_eq!(end_offset, next.position.next_offset);
                    prop_assert_eq!(
                        end_offset.0 - base_offset.0,
                        entry.records.len() as u64
                    );
                }
            }
            prop_assert_eq!((next.position.index, next.position.term), (index, term));
            image = next;
        }
    }

    #[test]
    fn a_snapshot_makes_the_image_it_was_taken_of(choices in choices()) {
        let entries = history(&choices);
        let image = replayed(&entries);
        let snapshot = Snapshot::of(&image);
        prop_assert_eq!(&snapshot.image().unwrap(), &image);
        let bytes = Snapshot::decode(&snapshot.encode().unwrap()).unwrap();
        prop_assert_eq!(&bytes, &snapshot);
        let json: Snapshot =
            serde_json::from_str(&serde_json::to_string(&snapshot).unwrap()).unwrap();
        prop_assert_eq!(&json.image().unwrap(), &image);
    }

    #[test]
    fn a_snapshot_in_the_middle_changes_nothing_later(choices in choices(), at in 0..60_usize) {
        let entries = history(&choices);
        let middle = at % entries.len();
        let mut image = Snapshot::of(&replayed(&entries[..middle])).image().unwrap();
        for (index, term, entry) in &entries[middle..] {
            image = image.apply(*index, *term, entry).0;
        }
        prop_assert_eq!(image, replayed(&entries));
    }

    #[test]
    fn a_delta_names_what_differs_and_nothing_else(choices in choices(), at in 0..60_usize) {
        let entries = history(&choices);
        let old = replayed(&entries[..at % entries.len()]);
        let new = replayed(&entries);
        let delta = ImageDelta::between(&old, &new);
        for partition in &delta.partitions {
            prop_assert_ne!(&partition.old, &partition.new);
            prop_assert_eq!(old.partition(partition.partition), partition.old.as_deref());
            prop_assert_eq!(new.partition(partition.partition), partition.new.as_deref());
        }
        let changed = new
            .partitions()
            .filter(|found| old.partition(found.id()) != Some(found.state))
            .count();
        let removed =
            old.partitions().filter(|found| new.partition(found.id()).is_none()).count();
        prop_assert_eq!(delta.partitions.len(), changed + removed);
        prop_assert_eq!(delta.brokers.is_empty(), old.brokers == new.brokers);
        prop_assert_eq!(delta.features, old.features != new.features);
        let topics = old.topics.len() + delta.topics_created.len();
        prop_assert_eq!(topics, new.topics.len() + delta.topics_removed.len());
        prop_assert!(ImageDelta::between(&new, &new).is_empty());
        prop_assert_eq!(
            ImageDelta::from_empty(&new).partitions.len(),
            new.partitions().count()
        );
    }
}

#[test]
fn histories_hold_what_the_laws_are_about() {
    let mut seed = 7_u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        u8::try_from((seed >> 33) % 60).unwrap()
    };
    let choices: Vec<Vec<Choice>> = (0..400)
        .map(|_| (0..3).map(|_| (next(), next(), next(), next())).collect())
        .collect();
    let entries = history(&choices);
    let mut image = MetadataImage::default();
    let mut refused = 0;
    let mut partitions_max = 0;
    for (index, term, entry) in &entries {
        let (after, outcome) = image.apply(*index, *term, entry);
        refused += usize::from(matches!(outcome, ApplyOutcome::Refused(_)));
        image = after;
        partitions_max = partitions_max.max(image.partitions().count());
    }
    assert!(refused > 10 && refused < 300, "{refused} of 400 refused");
    assert!(partitions_max > 5, "at most {partitions_max} partitions");
    assert!(image.brokers.len() > 2);
}

#[test]
fn the_tree_reads_by_name() {
    let topic_id: TopicId = id(1);
    let records = [
        Topic {
            name: TopicName::new("flights").unwrap(),
            topic_id,
        }
        .into(),
        Partition {
            leader: None,
            isr: Vec::new(),
            ..partition(topic_id, 0, (0, 1, 1, 1))
        }
        .into(),
    ];
    let image = MetadataImage::default().replay_pending(&records).unwrap();
    let tree = serde_json::to_value(&image).unwrap();
    let partition = &tree["topics"]["flights"]["partitions"]["0"];
    assert_eq!(partition["replicas"], serde_json::json!([1, 2, 3]));
    assert_eq!(partition["last_change"]["reason"], "created");
    assert_eq!(tree["position"]["next_offset"], 2);
}
