//! Hand-made histories. Each broken promise has at least one that must be called broken: a checker
//! that was never red proves nothing.

use std::time::Duration;

use trimaran_types::{Offset, PartitionIndex};

use super::{Anomaly, check};
use crate::history::{
    Attempt, AttemptOutcome, FinalRead, History, PositionRefused, Read, SeenRecord, ValueId,
};

const P: PartitionIndex = PartitionIndex(0);

fn value(sequence: u64) -> ValueId {
    ValueId {
        producer: 1,
        sequence,
    }
}

/// An attempt that lasts from `from` to `to` seconds.
fn attempt(sequence: u64, from: u64, to: u64, outcome: AttemptOutcome) -> Attempt {
    Attempt {
        value: value(sequence),
        partition: P,
        invoked: Duration::from_secs(from),
        completed: Duration::from_secs(to),
        outcome,
    }
}

/// Acknowledged at `offset`, in the second that its number says.
fn acked(sequence: u64, offset: i64) -> Attempt {
    attempt(
        sequence,
        sequence * 10,
        sequence * 10 + 1,
        AttemptOutcome::Acked(Offset(offset)),
    )
}

fn seen(from: i64, values: &[u64]) -> Vec<SeenRecord> {
    (from..)
        .zip(values)
        .map(|(offset, sequence)| SeenRecord {
            offset: Offset(offset),
            value: Some(value(*sequence)),
        })
        .collect()
}

fn read(from: i64, values: &[u64]) -> Read {
    Read {
        consumer: 9,
        partition: P,
        from: Offset(from),
        completed: Duration::ZERO,
        records: seen(from, values),
    }
}

fn final_read(values: &[u64]) -> FinalRead {
    FinalRead {
        through: "broker".to_owned(),
        partition: P,
        start: Offset::ZERO,
        end: Offset(i64::try_from(values.len()).unwrap()),
        records: seen(0, values),
    }
}

/// Values 0, 1 and 2 acknowledged in order, 3 refused, 4 unknown and stored; read as it is.
fn sound() -> History {
    History {
        attempts: vec![
            acked(0, 0),
            acked(1, 1),
            acked(2, 2),
            attempt(3, 30, 31, AttemptOutcome::Refused("no leader".to_owned())),
            attempt(4, 40, 41, AttemptOutcome::Unknown("time-out".to_owned())),
        ],
        reads: vec![read(0, &[0, 1]), read(2, &[]), read(2, &[2, 4])],
        refused_positions: vec![],
        final_reads: vec![final_read(&[0, 1, 2, 4]), final_read(&[0, 1, 2, 4])],
    }
}

/// The history must break exactly the promises of `expected`, as their names tell.
#[track_caller]
fn must_be_red(history: &History, expected: &[&str]) {
    let verdict = check(history);
    let mut found: Vec<&str> = verdict.anomalies.iter().map(name).collect();
    found.dedup();
    assert_eq!(found, expected, "{:#?}", verdict.anomalies);
    assert!(verdict.into_result().is_err());
}

fn name(anomaly: &Anomaly) -> &'static str {
    match anomaly {
        Anomaly::Lost { .. } => "lost",
        Anomaly::TwoValues { .. } => "two values",
        Anomaly::OutOfOrder { .. } => "out of order",
        Anomaly::Skipped { .. } => "skipped",
        Anomaly::Vanished { .. } => "vanished",
        Anomaly::PositionRefused { .. } => "position refused",
        Anomaly::NeverWritten { .. } => "never written",
        Anomaly::Duplicated { .. } => "duplicated",
        Anomaly::Unproven { .. } => "unproven",
    }
}

#[test]
fn a_sound_history_is_green_and_counted() {
    let verdict = check(&sound()).into_result().unwrap();
    assert_eq!((verdict.acked, verdict.refused, verdict.unknown), (3, 1, 1));
    assert_eq!(
        (verdict.unknown_and_stored, verdict.duplicates_allowed),
        (1, 0)
    );
    assert_eq!(verdict.read, 4);
}

#[test]
fn an_unknown_write_may_be_absent() {
    let mut history = sound();
    history.reads.clear();
    history.final_reads = vec![final_read(&[0, 1, 2])];
    let verdict = check(&history).into_result().unwrap();
    assert_eq!(verdict.unknown_and_stored, 0);
}

#[test]
fn an_acknowledged_value_at_the_end_is_cut_off() {
    let mut history = sound();
    history.reads.clear();
    history.final_reads = vec![final_read(&[0, 1])];
    must_be_red(&history, &["lost"]);
}

#[test]
fn an_acknowledged_value_is_gone_in_one_of_two_final_reads() {
    let mut history = sound();
    history.reads.clear();
    history.final_reads[1] = final_read(&[0, 1]);
    must_be_red(&history, &["lost"]);
}

#[test]
fn an_acknowledged_value_was_replaced() {
    let mut history = sound();
    history.reads.clear();
    history.final_reads = vec![final_read(&[0, 4, 2])];
    must_be_red(&history, &["two values", "lost"]);
}

#[test]
fn an_acknowledged_value_moved() {
    let mut history = sound();
    history.reads.clear();
    history.final_reads = vec![final_read(&[0, 4, 1, 2])];
    let anomalies = check(&history).anomalies;
    let moved = Anomaly::Lost {
        partition: P,
        offset: Offset(1),
        value: value(1),
        found_at: Some(Offset(2)),
    };
    assert!(anomalies.contains(&moved), "{anomalies:#?}");
}

#[test]
fn two_writes_are_acknowledged_at_one_offset() {
    let mut history = sound();
    // At the same time, so that no order between them is broken.
    history
        .attempts
        .push(attempt(5, 20, 21, AttemptOutcome::Acked(Offset(2))));
    must_be_red(&history, &["two values", "lost"]);
}

#[test]
fn a_reader_saw_what_later_readers_do_not() {
    let mut history = sound();
    history.reads.push(read(3, &[3]));
    history.attempts[3].outcome = AttemptOutcome::Unknown("reset".to_owned());
    must_be_red(&history, &["two values"]);
}

#[test]
fn a_later_write_went_before_an_acknowledged_one() {
    let mut history = sound();
    history.attempts[0] = acked(0, 1);
    history.attempts[1] = acked(1, 0);
    history.reads.clear();
    history.final_reads = vec![final_read(&[1, 0, 2, 4])];
    must_be_red(&history, &["out of order"]);
}

#[test]
fn overlapping_writes_may_take_either_order() {
    let mut history = sound();
    history.attempts[0] = attempt(0, 0, 15, AttemptOutcome::Acked(Offset(1)));
    history.attempts[1] = attempt(1, 10, 11, AttemptOutcome::Acked(Offset(0)));
    history.reads.clear();
    history.final_reads = vec![final_read(&[1, 0, 2, 4])];
    assert_eq!(check(&history).anomalies, []);
}

#[test]
fn an_answer_leaves_an_offset_out() {
    let mut history = sound();
    history.reads[0].records[1].offset = Offset(2);
    history.reads[0].records[1].value = Some(value(2));
    must_be_red(&history, &["skipped"]);
}

#[test]
fn an_answer_starts_behind_the_offset_asked_for() {
    let mut history = sound();
    history.reads[2].from = Offset(1);
    must_be_red(&history, &["skipped"]);
}

#[test]
fn what_was_read_is_gone() {
    let mut history = sound();
    history.final_reads = vec![final_read(&[0, 1, 2])];
    must_be_red(&history, &["vanished"]);
}

#[test]
fn a_position_reached_by_reading_is_refused() {
    let mut history = sound();
    history.refused_positions.push(PositionRefused {
        consumer: 9,
        partition: P,
        position: Offset(4),
        completed: Duration::ZERO,
        message: "offset 4 is out of range".to_owned(),
    });
    must_be_red(&history, &["position refused"]);
}

#[test]
fn a_refused_write_is_there() {
    let mut history = sound();
    history.reads.clear();
    history.final_reads = vec![final_read(&[0, 1, 2, 3])];
    must_be_red(&history, &["never written"]);
}

#[test]
fn a_stranger_is_there() {
    let mut history = sound();
    history.reads.clear();
    history.final_reads = vec![final_read(&[0, 1, 2, 77])];
    must_be_red(&history, &["never written"]);
    history.final_reads[0].records[3].value = None;
    must_be_red(&history, &["never written"]);
}

#[test]
fn a_copy_needs_an_attempt_of_its_own() {
    let mut history = sound();
    history.reads.clear();
    history.final_reads = vec![final_read(&[0, 1, 2, 2])];
    must_be_red(&history, &["duplicated"]);
    history.attempts.push(attempt(
        2,
        18,
        19,
        AttemptOutcome::Refused("no leader".to_owned()),
    ));
    must_be_red(&history, &["duplicated"]);
    history.attempts.push(attempt(
        2,
        18,
        19,
        AttemptOutcome::Unknown("time-out".to_owned()),
    ));
    let verdict = check(&history).into_result().unwrap();
    assert_eq!(verdict.duplicates_allowed, 1);
}

#[test]
fn one_attempt_of_unknown_fate_explains_one_copy() {
    let mut history = sound();
    history.reads.clear();
    history.final_reads = vec![final_read(&[0, 1, 2, 4, 4])];
    must_be_red(&history, &["duplicated"]);
}

#[test]
fn without_a_whole_final_read_nothing_is_proven() {
    let mut history = sound();
    history.final_reads.clear();
    must_be_red(&history, &["unproven"]);

    let mut history = sound();
    history.final_reads[0].end = Offset(9);
    must_be_red(&history, &["unproven"]);

    let mut history = sound();
    history.final_reads[0].start = Offset(1);
    must_be_red(&history, &["unproven"]);
}
