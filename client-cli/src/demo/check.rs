//! Compares what was sent, and what was answered, with what is in the log. Pure.

use std::collections::{BTreeMap, HashMap};

use trimaran_types::{Offset, PartitionIndex};

use crate::partition_reader::ReadRecord;
use crate::produce::{Outcome, ProduceRecord};

/// Every record of a topic by partition, each in the order of its reading.
pub(super) type Log = BTreeMap<PartitionIndex, Vec<ReadRecord>>;

/// Examples of what is wrong that are kept.
const EXAMPLES_MAX: usize = 5;

/// What the comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// Rows that were acknowledged.
    pub(super) acknowledged: usize,
    /// Of these, the ones whose offset is not in the log.
    pub(super) lost: usize,
    /// Of these, the ones with another key or value at their offset.
    pub(super) differing: usize,
    /// Acknowledged rows that stand before an earlier row of their key.
    pub(super) reordered: usize,
    /// Records in the log beyond one for each row.
    pub(super) duplicated: usize,
    /// Records in the log that no row accounts for.
    pub(super) foreign: usize,
    /// Offsets that are missing between others.
    pub(super) gaps: usize,
    /// Rows that were not acknowledged and are in the log.
    pub(super) unacknowledged_written: usize,
    /// Places of the rows that are not in the log.
    pub(super) absent: Vec<usize>,
    /// The first things that are wrong, in words.
    pub(super) examples: Vec<String>,
}

impl Findings {
    /// Whether every promise held.
    pub(super) fn is_clean(&self) -> bool {
        self.lost + self.differing + self.reordered + self.foreign + self.gaps == 0
    }

    fn wrong(&mut self, what: impl FnOnce() -> String) {
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(what());
        }
    }
}

/// Compares. A duplicate is no broken promise where a row's fate was unknown; who calls judges it.
pub(super) fn check(rows: &[ProduceRecord], outcomes: &[Outcome], log: &Log) -> Findings {
    let mut findings = check_again(rows, outcomes, log);
    order(rows, outcomes, &mut findings);
    findings
}

/// The same after rows were sent again: these stand behind later rows of their key, rightly.
pub(super) fn check_again(rows: &[ProduceRecord], outcomes: &[Outcome], log: &Log) -> Findings {
    let mut findings = Findings::default();
    let at: HashMap<(PartitionIndex, Offset), &ReadRecord> = log
        .values()
        .flatten()
        .map(|record| ((record.partition, record.offset), record))
        .collect();
    acknowledged(rows, outcomes, &at, &mut findings);
    content(rows, outcomes, log, &mut findings);
    gaps(log, &mut findings);
    findings
}

fn acknowledged(
    rows: &[ProduceRecord],
    outcomes: &[Outcome],
    at: &HashMap<(PartitionIndex, Offset), &ReadRecord>,
    findings: &mut Findings,
) {
    for (place, (row, outcome)) in rows.iter().zip(outcomes).enumerate() {
        let Outcome::Acknowledged { partition, offset } = outcome else {
            continue;
        };
        findings.acknowledged += 1;
        match at.get(&(*partition, *offset)) {
            None => {
                findings.lost += 1;
                findings.wrong(|| {
                    format!("row {place}: offset {offset} of partition {partition} is lost")
                });
            }
            Some(record)
                if key(row) != record.key.as_deref() || value(row) != record.value.as_deref() =>
            {
                findings.differing += 1;
                findings.wrong(|| {
                    format!(
                        "row {place}: offset {offset} of partition {partition} holds another record"
                    )
                });
            }
            Some(_) => {}
        }
    }
}

fn order(rows: &[ProduceRecord], outcomes: &[Outcome], findings: &mut Findings) {
    let mut last_of_key: HashMap<&str, Offset> = HashMap::new();
    for (place, (row, outcome)) in rows.iter().zip(outcomes).enumerate() {
        let (Outcome::Acknowledged { offset, .. }, Some(key)) = (outcome, row.key.as_deref())
        else {
            continue;
        };
        if last_of_key
            .insert(key.get(), *offset)
            .is_some_and(|last| last >= *offset)
        {
            findings.reordered += 1;
            findings.wrong(|| {
                format!("row {place}: offset {offset} comes before an earlier row of its key")
            });
        }
    }
}

fn content(rows: &[ProduceRecord], outcomes: &[Outcome], log: &Log, findings: &mut Findings) {
    let mut in_log: HashMap<Option<&[u8]>, usize> = HashMap::new();
    for record in log.values().flatten() {
        *in_log.entry(record.value.as_deref()).or_default() += 1;
    }
    // Rows of equal content stand for each other; the acknowledged ones take theirs first.
    let is_acknowledged =
        |place: usize| matches!(outcomes.get(place), Some(Outcome::Acknowledged { .. }));
    for wanted in [true, false] {
        for (place, row) in rows.iter().enumerate() {
            if is_acknowledged(place) != wanted {
                continue;
            }
            match in_log.get_mut(&value(row)) {
                Some(count) if *count > 0 => {
                    *count -= 1;
                    findings.unacknowledged_written += usize::from(!wanted);
                }
                _ => findings.absent.push(place),
            }
        }
    }
    for row in rows {
        if let Some(count) = in_log.get_mut(&value(row)) {
            findings.duplicated += std::mem::take(count);
        }
    }
    let foreign: usize = in_log.values().sum();
    findings.foreign = foreign;
    if foreign > 0 {
        findings.wrong(|| format!("{foreign} records in the log were never sent"));
    }
}

fn gaps(log: &Log, findings: &mut Findings) {
    for (partition, records) in log {
        for pair in records.windows(2) {
            let [before, after] = pair else { continue };
            let missing = after.offset.distance_from(before.offset.next());
            if missing > 0 {
                findings.gaps += usize::try_from(missing).unwrap_or(usize::MAX);
                findings.wrong(|| {
                    format!(
                        "partition {partition} has nothing between {} and {}",
                        before.offset, after.offset
                    )
                });
            }
        }
    }
}

fn key(row: &ProduceRecord) -> Option<&[u8]> {
    row.key.as_deref().map(|key| key.get().as_bytes())
}

fn value(row: &ProduceRecord) -> Option<&[u8]> {
    Some(row.value.get().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::produce::EmbeddedFormat;
    use trimaran_types::Timestamp;

    fn rows(lines: &[&str]) -> Vec<ProduceRecord> {
        lines
            .iter()
            .map(|line| ProduceRecord::of_line(line, 1, EmbeddedFormat::Json, Some("k")).unwrap())
            .collect()
    }

    fn acked(offset: i64) -> Outcome {
        Outcome::Acknowledged {
            partition: PartitionIndex(0),
            offset: Offset(offset),
        }
    }

    fn unknown() -> Outcome {
        Outcome::Unknown {
            reason: "x".to_owned(),
        }
    }

    fn log(records: &[(i64, &str)]) -> Log {
        let records = records
            .iter()
            .map(|(offset, line)| {
                let row = &rows(&[line])[0];
                ReadRecord {
                    partition: PartitionIndex(0),
                    offset: Offset(*offset),
                    timestamp: Timestamp(0),
                    key: key(row).map(<[u8]>::to_vec),
                    value: value(row).map(<[u8]>::to_vec),
                }
            })
            .collect();
        Log::from([(PartitionIndex(0), records)])
    }

    const A: &str = r#"{"k":"a","n":1}"#;
    const B: &str = r#"{"k":"a","n":2}"#;
    const C: &str = r#"{"k":"c"}"#;

    #[test]
    fn a_whole_log_is_clean() {
        let found = check(
            &rows(&[A, B]),
            &[acked(0), acked(1)],
            &log(&[(0, A), (1, B)]),
        );
        assert_eq!(
            found,
            Findings {
                acknowledged: 2,
                ..Findings::default()
            }
        );
        assert!(found.is_clean());
    }

    #[test]
    fn each_kind_of_harm_is_seen() {
        let both = rows(&[A, B]);
        let fates = [acked(0), acked(1)];
        let lost = check(&both, &fates, &log(&[(0, A)]));
        assert_eq!(
            (lost.lost, lost.absent.as_slice(), lost.is_clean()),
            (1, &[1][..], false)
        );
        let differing = check(&both, &fates, &log(&[(0, A), (1, C)]));
        assert_eq!((differing.differing, differing.foreign), (1, 1));
        let duplicated = check(&both, &fates, &log(&[(0, A), (1, B), (2, A)]));
        assert_eq!((duplicated.duplicated, duplicated.is_clean()), (1, true));
        let foreign = check(&both, &fates, &log(&[(0, A), (1, B), (2, C)]));
        assert_eq!((foreign.foreign, foreign.is_clean()), (1, false));
        let reordered = check(&both, &[acked(1), acked(0)], &log(&[(0, B), (1, A)]));
        assert_eq!((reordered.reordered, reordered.is_clean()), (1, false));
        let gap = check(&both, &[acked(0), acked(5)], &log(&[(0, A), (5, B)]));
        assert_eq!((gap.gaps, gap.is_clean()), (4, false));
    }

    #[test]
    fn the_unknown_is_resolved_by_what_is_there() {
        let all = rows(&[A, B, C]);
        let found = check(
            &all,
            &[acked(0), unknown(), unknown()],
            &log(&[(0, A), (1, B)]),
        );
        assert_eq!(
            (found.unacknowledged_written, found.absent.as_slice()),
            (1, &[2][..])
        );
        assert!(found.is_clean());
    }

    #[test]
    fn equal_rows_stand_for_each_other() {
        let twice = rows(&[A, A]);
        let found = check(&twice, &[unknown(), acked(0)], &log(&[(0, A)]));
        assert_eq!((found.duplicated, found.absent.as_slice()), (0, &[0][..]));
    }
}
