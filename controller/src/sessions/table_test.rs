//! Tables for the sessions.

use trimaran_metadata::record::RegisterBroker;
use trimaran_metadata::{FenceReason, MetadataImage};
use trimaran_types::{
    BrokerEpoch, BrokerId, DirectoryId, IncarnationId, MetadataOffset, MonotonicTime,
    PartitionIndex, TopicId, TopicIdPartition,
};
use uuid::Uuid;

use super::Sessions;

const TIMEOUT_MS: u64 = 1_000;

fn image(brokers: &[(u32, bool)]) -> MetadataImage {
    let records: Vec<_> = brokers
        .iter()
        .map(|(id, fenced)| {
            RegisterBroker {
                broker_id: BrokerId(*id),
                incarnation_id: IncarnationId::from_uuid(Uuid::from_u128(u128::from(*id))),
                broker_epoch: BrokerEpoch(u64::from(*id)),
                client_address: "h:1".to_owned(),
                inter_node_address: "h:2".to_owned(),
                rack: None,
                directories: vec![DirectoryId::from_uuid(Uuid::from_u128(u128::from(
                    1_000 + *id,
                )))],
                fenced: *fenced,
                in_controlled_shutdown: false,
                reason: FenceReason::Registered,
                origin: None,
            }
            .into()
        })
        .collect();
    MetadataImage::default().replay_pending(&records).unwrap()
}

fn at(ms: u64) -> MonotonicTime {
    MonotonicTime(ms)
}

#[test]
fn a_new_term_gives_everybody_a_fresh_session() {
    let image = image(&[(1, false), (2, false)]);
    let mut sessions = Sessions::new(TIMEOUT_MS);
    sessions.begin_term(5, &image, at(10_000));
    assert_eq!(sessions.overdue(&image, at(10_999)), None);
    sessions.heard(BrokerId(2), MetadataOffset(7), at(10_500));
    // The same term again changes nothing.
    sessions.begin_term(5, &image, at(10_900));
    assert_eq!(
        sessions.overdue(&image, at(11_000)),
        Some((BrokerId(1), BrokerEpoch(1)))
    );
    sessions.begin_term(6, &image, at(11_000));
    assert_eq!(sessions.overdue(&image, at(11_999)), None);
    assert_eq!(
        sessions.last_contact(BrokerId(2), at(11_000)),
        Some((0, None))
    );
}

#[test]
fn the_longest_silent_one_in_service_is_overdue() {
    let image = image(&[(1, true), (2, false), (3, false)]);
    let mut sessions = Sessions::new(TIMEOUT_MS);
    sessions.begin_term(1, &image, at(0));
    sessions.heard(BrokerId(3), MetadataOffset(1), at(100));
    assert_eq!(
        sessions.overdue(&image, at(5_000)),
        Some((BrokerId(2), BrokerEpoch(2)))
    );
    // A late heartbeat counts all the same.
    sessions.heard(BrokerId(2), MetadataOffset(1), at(5_000));
    assert_eq!(
        sessions.overdue(&image, at(5_000)),
        Some((BrokerId(3), BrokerEpoch(3)))
    );
    sessions.forgive(at(5_000));
    assert_eq!(sessions.overdue(&image, at(5_999)), None);
    assert!(sessions.is_valid(BrokerId(3), at(5_999)));
    assert!(!sessions.is_valid(BrokerId(3), at(6_000)));
    assert!(!sessions.is_valid(BrokerId(9), at(0)), "never heard of");
}

#[test]
fn the_lowest_end_counts_active_brokers_only() {
    let image = image(&[(1, true), (2, false), (3, false)]);
    let mut sessions = Sessions::new(TIMEOUT_MS);
    sessions.begin_term(1, &image, at(0));
    assert_eq!(
        sessions.lowest_active_metadata_end(&image),
        Some(MetadataOffset(0))
    );
    sessions.heard(BrokerId(1), MetadataOffset(1), at(0));
    sessions.heard(BrokerId(2), MetadataOffset(9), at(0));
    sessions.heard(BrokerId(3), MetadataOffset(8), at(0));
    assert_eq!(
        sessions.lowest_active_metadata_end(&image),
        Some(MetadataOffset(8))
    );
    sessions.registered(BrokerId(3), at(0));
    assert_eq!(
        sessions.lowest_active_metadata_end(&image),
        Some(MetadataOffset(0))
    );
    assert_eq!(
        sessions.lowest_active_metadata_end(&MetadataImage::default()),
        None
    );
}

#[test]
fn a_cut_session_is_held_by_nobody_until_the_next_heartbeat() {
    let image = image(&[(1, false)]);
    let mut sessions = Sessions::new(TIMEOUT_MS);
    sessions.cut(BrokerId(1));
    sessions.begin_term(1, &image, at(0));
    assert!(sessions.is_held(BrokerId(1), at(0)));
    sessions.cut(BrokerId(1));
    assert!(!sessions.is_held(BrokerId(1), at(1)));
    // It keeps its place in service: it may be the connection alone that is gone.
    assert!(sessions.is_valid(BrokerId(1), at(1)));
    sessions.forgive(at(2));
    assert!(!sessions.is_held(BrokerId(1), at(2)));
    sessions.heard(BrokerId(1), MetadataOffset(1), at(3));
    assert!(sessions.is_held(BrokerId(1), at(3)));
    sessions.cut(BrokerId(1));
    sessions.registered(BrokerId(1), at(4));
    assert!(sessions.is_held(BrokerId(1), at(4)));
    assert!(!sessions.is_held(BrokerId(1), at(4 + TIMEOUT_MS)));
}

#[test]
fn elections_are_owed_once_a_term_and_whenever_asked_for() {
    let image = image(&[(1, false)]);
    let mut sessions = Sessions::new(TIMEOUT_MS);
    assert!(!sessions.take_sweep());
    sessions.begin_term(1, &image, at(0));
    assert!(sessions.take_sweep());
    assert!(!sessions.take_sweep());
    sessions.begin_term(1, &image, at(1));
    assert!(!sessions.take_sweep());
    sessions.owe_sweep();
    assert!(sessions.take_sweep());
    sessions.begin_term(2, &image, at(2));
    assert!(sessions.take_sweep());
}

#[test]
fn what_brokers_say_of_room_counts_until_they_say_otherwise_or_the_term_ends() {
    let image = image(&[(1, false), (2, false)]);
    let mut sessions = Sessions::new(TIMEOUT_MS);
    sessions.begin_term(5, &image, at(0));
    let partition = TopicIdPartition {
        topic_id: TopicId::from_uuid(Uuid::from_u128(7)),
        partition: PartitionIndex(0),
    };
    let nobody = sessions.lacking_room();
    sessions.said_to_lack_room(BrokerId(1), &[partition]);
    let one = sessions.lacking_room();
    assert_ne!(one, nobody);
    sessions.begin_term(5, &image, at(1));
    sessions.heard(BrokerId(1), MetadataOffset(1), at(1));
    assert_eq!(sessions.lacking_room(), one, "the same term");
    sessions.said_to_lack_room(BrokerId(1), &[]);
    assert_eq!(sessions.lacking_room(), nobody);
    for ends in [0, 1] {
        sessions.said_to_lack_room(BrokerId(1), &[partition]);
        if ends == 0 {
            sessions.registered(BrokerId(1), at(2));
        } else {
            sessions.begin_term(6, &image, at(2));
        }
        assert_eq!(sessions.lacking_room(), nobody);
    }
}
