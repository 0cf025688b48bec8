//! Our bytes are those that Apache Kafka writes for the same appends; see `tests/golden`.

use trimaran_types::record_batch::{EndMarker, TransactionEnd};
use trimaran_types::{Offset, ProducerEpoch, ProducerId, Timestamp};

use super::Sequence;
use super::batch::{Content, ProducerBatch};
use super::snapshot::{format, parse};
use super::states::ProducerStates;
use crate::index::IndexEntry;

const SNAPSHOTS: [(i64, &[u8]); 3] = [
    (
        1,
        include_bytes!("../../tests/golden/00000000000000000001.snapshot"),
    ),
    (
        12,
        include_bytes!("../../tests/golden/00000000000000000012.snapshot"),
    ),
    (
        18,
        include_bytes!("../../tests/golden/00000000000000000018.snapshot"),
    ),
];
const ABORTED: &[u8] = include_bytes!("../../tests/golden/00000000000000000000.txnindex");

fn batch(
    producer: i64,
    epoch: i16,
    offsets: (i64, i64),
    after: i64,
    content: Content,
) -> ProducerBatch {
    ProducerBatch {
        producer: ProducerId(producer),
        epoch: ProducerEpoch(epoch),
        first_offset: Offset(offsets.0),
        last_offset: Offset(offsets.1),
        timestamp: Timestamp(1_700_000_000_000 + after),
        content,
    }
}

fn appends() -> Vec<ProducerBatch> {
    let data = |first, transactional| Content::Data {
        first: Sequence(first),
        transactional,
    };
    let end = |end, coordinator_epoch, after: i64| {
        Content::End(EndMarker {
            end,
            coordinator_epoch,
            timestamp: Timestamp(1_700_000_000_000 + after),
        })
    };
    let (abort, commit) = (TransactionEnd::Abort, TransactionEnd::Commit);
    vec![
        batch(1, 0, (1, 3), 1, data(0, false)),
        batch(1, 0, (4, 5), 2, data(3, false)),
        batch(2, 2, (6, 9), 3, data(i32::MAX - 1, false)),
        batch(3, 0, (10, 11), 4, data(0, true)),
        batch(4, 1, (12, 12), 5, data(0, true)),
        batch(3, 0, (13, 13), 6, end(abort, 7, 6)),
        batch(3, 0, (14, 14), 7, data(2, true)),
        batch(4, 1, (15, 15), 8, end(abort, 8, 8)),
        batch(3, 1, (16, 16), 9, end(commit, 9, 9)),
        batch(5, 0, (17, 17), 10, end(abort, 9, 10)),
    ]
}

#[test]
fn snapshots_and_aborted_transactions_are_kafkas_bytes() {
    let mut states = ProducerStates::default();
    let mut aborted = Vec::new();
    let mut snapshots = SNAPSHOTS.into_iter().peekable();
    let mut compared = 0;
    for (at, batch) in appends().iter().enumerate() {
        if let Some((_, golden)) = snapshots.next_if(|(end, _)| batch.first_offset.0 >= *end) {
            assert_eq!(format(&states), golden, "before append {at}");
            compared += 1;
        }
        if let Some(entry) = states.apply(batch, None) {
            entry.put(&mut aborted);
        }
    }
    assert_eq!(format(&states), SNAPSHOTS[2].1);
    assert_eq!(compared, 2);
    assert_eq!(aborted, ABORTED);
}

#[test]
fn kafkas_snapshots_give_the_same_state() {
    for (end, golden) in SNAPSHOTS {
        let mut states = ProducerStates::default();
        for batch in appends().iter().filter(|batch| batch.first_offset.0 < end) {
            states.apply(batch, None);
        }
        let read = parse(golden).expect("Kafka wrote it");
        assert_eq!(read.ends(), states.ends());
        assert_eq!(format(&read), golden);
        states.forget_ended_before(Offset(end));
        assert_eq!(read.first_unstable(), states.first_unstable());
    }
}
