//! Tables for what is pending: who waits for which entry, and on what position it is decided.

use trimaran_metadata::record::NoOp;
use trimaran_metadata::{MetadataImage, MetadataRecord};
use trimaran_types::MetadataOffset;

use super::pending::{Pending, Placed};

fn records(count: usize) -> Vec<MetadataRecord> {
    vec![NoOp {}.into(); count]
}

#[test]
fn decisions_are_packed_and_later_ones_build_on_earlier_ones() {
    let mut pending = Pending::begin(3, MetadataImage::default());
    assert_eq!(pending.place(records(2), "a"), Placed::InBatch);
    assert_eq!(pending.place(records(1), "b"), Placed::InBatch);
    let first = pending.take_batch().unwrap();
    assert_eq!(
        (first.base_offset, first.records.len()),
        (MetadataOffset(0), 3)
    );
    pending.sent(first.waiters);
    assert_eq!(pending.view().position.next_offset, MetadataOffset(3));
    assert_eq!(pending.place(records(1), "c"), Placed::InBatch);
    let second = pending.take_batch().unwrap();
    assert_eq!(
        (second.base_offset, second.records.len()),
        (MetadataOffset(3), 1)
    );
    pending.sent(second.waiters);
    assert_eq!(pending.in_flight(), 2);
    assert_eq!(pending.resolved(), ["a", "b"]);
    assert_eq!(pending.resolved(), ["c"]);
    assert_eq!(pending.in_flight(), 0);
}

#[test]
fn an_empty_decision_waits_for_what_it_was_decided_on() {
    let mut pending = Pending::begin(3, MetadataImage::default());
    assert_eq!(
        pending.place(records(0), "alone"),
        Placed::NothingPending("alone")
    );
    pending.place(records(1), "a");
    assert_eq!(pending.place(records(0), "with the batch"), Placed::InBatch);
    let batch = pending.take_batch().unwrap();
    assert_eq!(batch.waiters, ["a", "with the batch"]);
    pending.sent(batch.waiters);
    assert_eq!(pending.place(records(0), "behind"), Placed::BehindInFlight);
    assert!(pending.take_batch().is_none(), "it is no entry of its own");
    assert_eq!(pending.resolved(), ["a", "with the batch", "behind"]);
}

#[test]
fn a_batch_is_bounded_but_takes_one_large_decision() {
    let mut pending = Pending::begin(1, MetadataImage::default());
    assert!(pending.fits(1_000_000), "alone it may be large");
    pending.place(records(1_999), "a");
    assert!(!pending.is_batch_full());
    assert!(pending.fits(1) && !pending.fits(2));
    pending.place(records(1), "b");
    assert!(pending.is_batch_full());
}

#[test]
fn a_contradiction_changes_nothing() {
    let mut pending = Pending::begin(1, MetadataImage::default());
    let unknown = trimaran_metadata::record::RemoveTopic {
        topic_id: trimaran_types::TopicId::from_uuid(uuid::Uuid::from_u128(1)),
    };
    let placed = pending.place(vec![unknown.into()], "a");
    assert!(
        matches!(placed, Placed::Contradiction("a", _)),
        "{placed:?}"
    );
    assert_eq!(pending.view(), &MetadataImage::default());
    assert!(pending.take_batch().is_none());
}
