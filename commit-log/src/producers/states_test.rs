//! The rules of the core, one by one.

use trimaran_types::record_batch::{EndMarker, TransactionEnd};
use trimaran_types::{Offset, ProducerEpoch, ProducerId, Timestamp};

use super::batch::{Content, ProducerBatch};
use super::check::{Origin, ProducerRefusal, Verdict};
use super::draft::Draft;
use super::snapshot::{format, parse};
use super::states::ProducerStates;
use super::{BATCHES_REMEMBERED, Sequence};
use crate::aborted::AbortedTransaction;

const ID: ProducerId = ProducerId(7);

fn data(epoch: i16, first: i32, count: u32, at: i64) -> ProducerBatch {
    ProducerBatch {
        producer: ID,
        epoch: ProducerEpoch(epoch),
        first_offset: Offset(at),
        last_offset: Offset(at + i64::from(count) - 1),
        timestamp: Timestamp(1000 + at),
        content: Content::Data {
            first: Sequence(first),
            transactional: false,
        },
    }
}

fn transactional(producer: i64, first: i32, at: i64) -> ProducerBatch {
    ProducerBatch {
        producer: ProducerId(producer),
        content: Content::Data {
            first: Sequence(first),
            transactional: true,
        },
        ..data(0, 0, 1, at)
    }
}

fn end(producer: i64, epoch: i16, how: TransactionEnd, at: i64) -> ProducerBatch {
    let marker = EndMarker {
        end: how,
        coordinator_epoch: 4,
        timestamp: Timestamp(5000 + at),
    };
    ProducerBatch {
        producer: ProducerId(producer),
        content: Content::End(marker),
        ..data(epoch, 0, 1, at)
    }
}

fn after(batches: &[ProducerBatch]) -> ProducerStates {
    let mut states = ProducerStates::default();
    for batch in batches {
        states.apply(batch, Some(Timestamp(0)));
    }
    states
}

fn judge(states: &ProducerStates, batch: ProducerBatch) -> Result<Verdict, ProducerRefusal> {
    Draft::new(states, Origin::Client).check(&batch)
}

fn duplicate_at(verdict: Result<Verdict, ProducerRefusal>) -> Option<(i64, i64)> {
    match verdict {
        Ok(Verdict::Duplicate(found)) => Some((found.first_offset().0, found.last_offset.0)),
        _ => None,
    }
}

fn out_of_order(epoch: i16, found: i32, last: i32) -> Result<Verdict, ProducerRefusal> {
    Err(ProducerRefusal::OutOfOrderSequence {
        producer: ID,
        epoch: ProducerEpoch(epoch),
        found: Sequence(found),
        last: Sequence(last),
    })
}

#[test]
fn an_unknown_producer_may_start_anywhere() {
    let nobody = ProducerStates::default();
    for first in [0, 1, 17, i32::MAX] {
        assert_eq!(judge(&nobody, data(3, first, 5, 0)), Ok(Verdict::New));
    }
    for (epoch, first) in [(3, -1), (-1, 0)] {
        let refused = judge(&nobody, data(epoch, first, 1, 0));
        assert_eq!(refused, Err(ProducerRefusal::NotFromProducer));
    }
}

#[test]
fn the_next_sequence_is_taken_and_no_other() {
    let states = after(&[data(0, 0, 10, 0), data(0, 10, 5, 20)]);
    assert_eq!(judge(&states, data(0, 15, 3, 30)), Ok(Verdict::New));
    assert_eq!(judge(&states, data(0, 16, 3, 30)), out_of_order(0, 16, 14));
    assert_eq!(judge(&states, data(0, 14, 3, 30)), out_of_order(0, 14, 14));
    // The same first sequence with another length is no repetition.
    assert_eq!(judge(&states, data(0, 10, 4, 30)), out_of_order(0, 10, 14));
}

#[test]
fn sequences_wrap_to_zero() {
    let states = after(&[data(0, i32::MAX - 1, 4, 0)]);
    assert_eq!(states.last_sequence(ID), Some(Sequence(1)));
    assert_eq!(judge(&states, data(0, 2, 1, 30)), Ok(Verdict::New));
    let again = judge(&states, data(0, i32::MAX - 1, 4, 30));
    assert_eq!(duplicate_at(again), Some((0, 3)));
    let states = after(&[data(0, i32::MAX, 1, 0)]);
    assert_eq!(judge(&states, data(0, 0, 1, 30)), Ok(Verdict::New));
}

#[test]
fn the_last_five_batches_are_recognised() {
    let batches: Vec<_> = (0..7)
        .map(|n| data(0, n * 2, 2, i64::from(n) * 10))
        .collect();
    let states = after(&batches);
    for (n, batch) in batches.iter().enumerate() {
        let again = ProducerBatch {
            first_offset: Offset(500),
            last_offset: Offset(501),
            ..*batch
        };
        if n < batches.len() - BATCHES_REMEMBERED {
            let first = i32::try_from(n).unwrap() * 2;
            assert_eq!(judge(&states, again), out_of_order(0, first, 13));
        } else {
            let at = batch.first_offset.0;
            assert_eq!(duplicate_at(judge(&states, again)), Some((at, at + 1)));
        }
    }
}

#[test]
fn a_repetition_within_one_append_is_found() {
    let states = ProducerStates::default();
    let mut draft = Draft::new(&states, Origin::Client);
    assert_eq!(draft.check(&data(0, 0, 3, 100)), Ok(Verdict::New));
    assert_eq!(
        duplicate_at(draft.check(&data(0, 0, 3, 103))),
        Some((100, 102))
    );
    assert_eq!(draft.check(&data(0, 3, 1, 103)), Ok(Verdict::New));
    assert_eq!(draft.check(&data(0, 5, 1, 104)), out_of_order(0, 5, 3));
}

#[test]
fn a_new_epoch_starts_at_zero_and_fences_the_old() {
    let states = after(&[data(2, 0, 10, 0)]);
    assert_eq!(judge(&states, data(3, 10, 1, 10)), out_of_order(3, 10, -1));
    assert_eq!(judge(&states, data(3, 0, 1, 10)), Ok(Verdict::New));
    let fenced = Err(ProducerRefusal::FencedEpoch {
        producer: ID,
        found: ProducerEpoch(1),
        latest: ProducerEpoch(2),
    });
    assert_eq!(judge(&states, data(1, 0, 10, 10)), fenced);
    let states = after(&[data(2, 0, 10, 0), data(3, 0, 1, 10)]);
    // Batches of the older epoch are no repetitions any more.
    assert!(matches!(
        judge(&states, data(2, 0, 10, 11)),
        Err(ProducerRefusal::FencedEpoch { .. })
    ));
}

#[test]
fn transactions_hold_readers_back_until_they_end_below_the_high_watermark() {
    let mut states = after(&[transactional(1, 0, 10), transactional(2, 0, 11)]);
    assert_eq!(states.first_unstable(), Some(Offset(10)));
    assert_eq!(
        states.apply(&end(1, 0, TransactionEnd::Commit, 12), None),
        None
    );
    assert_eq!(states.first_unstable(), Some(Offset(10)));
    states.forget_ended_before(Offset(12));
    assert_eq!(states.first_unstable(), Some(Offset(10)));
    states.forget_ended_before(Offset(13));
    assert_eq!(states.first_unstable(), Some(Offset(11)));
    states.apply(&transactional(1, 1, 13), None);
    let aborted = states.apply(&end(2, 0, TransactionEnd::Abort, 14), None);
    let expected = AbortedTransaction {
        producer: ProducerId(2),
        first: Offset(11),
        last: Offset(14),
        last_stable: Offset(13),
    };
    assert_eq!(aborted, Some(expected));
    let aborted = states.apply(&end(1, 0, TransactionEnd::Abort, 15), None);
    assert_eq!(aborted.map(|aborted| aborted.last_stable), Some(Offset(16)));
    // A marker of a producer without records ends nothing.
    assert_eq!(
        states.apply(&end(9, 0, TransactionEnd::Abort, 16), None),
        None
    );
    states.forget_ended_before(Offset(17));
    assert_eq!(states.first_unstable(), None);
}

#[test]
fn records_outside_of_an_open_transaction_are_refused() {
    let states = after(&[transactional(7, 0, 10)]);
    let refused = Err(ProducerRefusal::OutsideTransaction { producer: ID });
    assert_eq!(judge(&states, data(0, 1, 1, 11)), refused);
    assert_eq!(judge(&states, transactional(7, 1, 11)), Ok(Verdict::New));
}

#[test]
fn only_a_coordinator_writes_markers_and_only_the_latest() {
    let states = after(&[
        transactional(7, 0, 10),
        end(7, 1, TransactionEnd::Commit, 11),
    ]);
    let client = judge(&states, end(7, 1, TransactionEnd::Commit, 12));
    assert_eq!(client, Err(ProducerRefusal::NotFromProducer));
    let by_coordinator = |batch| Draft::new(&states, Origin::Coordinator).check(&batch);
    let marker = end(7, 1, TransactionEnd::Abort, 12);
    assert_eq!(by_coordinator(marker), Ok(Verdict::New));
    assert!(matches!(
        by_coordinator(end(7, 0, TransactionEnd::Abort, 12)),
        Err(ProducerRefusal::FencedEpoch { .. })
    ));
    let Content::End(content) = marker.content else {
        panic!("it is a marker");
    };
    let older = ProducerBatch {
        content: Content::End(EndMarker {
            coordinator_epoch: 3,
            ..content
        }),
        ..marker
    };
    let fenced = ProducerRefusal::FencedCoordinator {
        producer: ID,
        found: 3,
        latest: 4,
    };
    assert_eq!(by_coordinator(older), Err(fenced));
    // The marker began an epoch: the next records start at 0.
    assert_eq!(judge(&states, data(1, 1, 1, 12)), out_of_order(1, 1, -1));
    assert_eq!(judge(&states, data(1, 0, 1, 12)), Ok(Verdict::New));
}

#[test]
fn a_full_log_refuses_new_producers_until_some_expire() {
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;
    let day_ms = DAY_MS.unsigned_abs();
    let mut states = ProducerStates::with_max(2);
    let of = |producer: i64, at: i64| ProducerBatch {
        producer: ProducerId(producer),
        timestamp: Timestamp(DAY_MS * 100),
        ..data(0, 0, 1, at)
    };
    states.apply(&of(1, 0), Some(Timestamp(0)));
    states.apply(&of(2, 1), Some(Timestamp(DAY_MS)));
    let mut draft = Draft::new(&states, Origin::Client);
    let refused = Err(ProducerRefusal::TooManyProducers);
    assert_eq!(draft.check(&of(3, 2)), refused);
    assert_eq!(duplicate_at(draft.check(&of(2, 2))), Some((1, 1)));
    states.expire(Timestamp(DAY_MS - 1), day_ms);
    assert_eq!(judge(&states, of(3, 2)), refused);
    states.expire(Timestamp(DAY_MS + 1000), day_ms);
    assert_eq!(judge(&states, of(3, 2)), Ok(Verdict::New));
    // What the log holds is taken even when it is full: the oldest goes.
    states.apply(&of(3, 2), Some(Timestamp(DAY_MS)));
    states.apply(&of(4, 3), Some(Timestamp(DAY_MS)));
    let left: Vec<_> = states.ends().iter().map(|end| end.producer.0).collect();
    assert_eq!(left, [3, 4]);
}

#[test]
fn open_transactions_never_expire() {
    let mut states = after(&[transactional(1, 0, 10), data(0, 0, 1, 11)]);
    states.expire(Timestamp(i64::MAX), 1);
    let left: Vec<_> = states.ends().iter().map(|end| end.producer.0).collect();
    assert_eq!(left, [1]);
}

#[test]
fn a_snapshot_has_the_last_batch_and_says_that_there_may_be_more() {
    let before = after(&[
        data(0, 0, 2, 0),
        data(0, 2, 2, 2),
        transactional(1, 5, 4),
        end(3, 2, TransactionEnd::Commit, 5),
    ]);
    let bytes = format(&before);
    let mut read = parse(&bytes).expect("good");
    assert_eq!(format(&read), bytes);
    assert_eq!(read.ends(), before.ends());
    assert_eq!(read.first_unstable(), Some(Offset(4)));
    assert_eq!(duplicate_at(judge(&read, data(0, 2, 2, 9))), Some((2, 3)));
    let older = data(0, 0, 2, 9);
    assert_eq!(read.look_back_before(&older), Some(Offset(2)));
    assert_eq!(read.look_back_before(&data(0, 4, 2, 9)), None);
    read.looked_back(ID, &[data(0, 0, 2, 0)]);
    assert_eq!(duplicate_at(judge(&read, older)), Some((0, 1)));
    assert_eq!(read.look_back_before(&data(0, 9, 2, 9)), None);
}

#[test]
fn damaged_snapshots_are_not_believed() {
    let bytes = format(&after(&[data(0, 0, 2, 0), transactional(1, 5, 4)]));
    for length in 0..bytes.len() {
        assert!(parse(&bytes[..length]).is_none(), "{length} bytes");
    }
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 4;
        assert!(parse(&damaged).is_none(), "byte {at}");
    }
}
