//! [`Report`]: the demonstration in numbers, all of them measured in this run.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::check::Findings;
use super::lanes::Produced;
use crate::failure::Failure;
use crate::output::{grouped, milliseconds};
use crate::produce::Outcome;

/// The numbers.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) records: usize,
    pub(super) acknowledged: usize,
    /// Records whose first answer was lost or said "maybe".
    pub(super) unknown: usize,
    /// Of these, found in the log.
    pub(super) unknown_written: usize,
    /// Records that were surely not written in time, and the unknown ones that were not there: sent
    /// again at the end.
    pub(super) sent_again: usize,
    pub(super) lost: usize,
    pub(super) differing: usize,
    pub(super) reordered: usize,
    pub(super) duplicated: usize,
    pub(super) killed: String,
    pub(super) killed_led: usize,
    /// Records without an answer at the moment of the kill.
    pub(super) open_at_kill: usize,
    pub(super) longest_gap_ms: u64,
    pub(super) produce_seconds: f64,
    pub(super) cold_start_ms: u64,
    pub(super) back_in_sync_seconds: f64,
    /// The first things that are wrong, in words.
    pub(super) examples: Vec<String>,
    #[serde(skip)]
    pub(super) is_clean: bool,
}

/// What was measured along the way.
pub(super) struct Measured {
    pub(super) started: Instant,
    pub(super) killed: String,
    pub(super) killed_led: usize,
    pub(super) killed_at: Instant,
    pub(super) open_at_kill: usize,
    pub(super) back_in_sync: Duration,
}

impl Report {
    /// `first` is what the first look at the log found, `last` what the last one did.
    pub(super) fn new(
        produced: &Produced,
        measured: Measured,
        first: &Findings,
        last: Findings,
    ) -> Self {
        let times = &produced.acknowledged_at;
        let unknown = produced
            .outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Outcome::Unknown { .. }))
            .count();
        let produce = match times.as_slice() {
            [first, .., last] => last.duration_since(*first),
            _ => Duration::ZERO,
        };
        let cold_start = times.first().map_or(Duration::ZERO, |first| {
            first.duration_since(measured.started)
        });
        Self {
            records: produced.outcomes.len(),
            acknowledged: last.acknowledged,
            unknown,
            unknown_written: first.unacknowledged_written,
            sent_again: first.absent.len(),
            lost: first.lost.max(last.lost),
            differing: first.differing.max(last.differing),
            reordered: first.reordered,
            duplicated: last.duplicated,
            killed: measured.killed,
            killed_led: measured.killed_led,
            open_at_kill: measured.open_at_kill,
            longest_gap_ms: ms(longest_gap(times, measured.killed_at)),
            produce_seconds: produce.as_secs_f64(),
            cold_start_ms: ms(cold_start),
            back_in_sync_seconds: measured.back_in_sync.as_secs_f64(),
            is_clean: first.is_clean()
                && last.lost + last.differing + last.foreign + last.gaps == 0
                && last.absent.is_empty()
                && last.duplicated <= unknown,
            examples: first
                .examples
                .iter()
                .chain(&last.examples)
                .cloned()
                .collect(),
        }
    }

    /// The numbers as text.
    pub(super) fn text(&self) -> String {
        let wide = |name: &str, value: String| format!("  {name:<44}{value}\n");
        let mut text = String::from("Measured in this run:\n");
        text.push_str(&wide("records sent", grouped(self.records)));
        text.push_str(&wide("records acknowledged", grouped(self.acknowledged)));
        text.push_str(&wide(
            "records of unknown fate (answer lost)",
            format!(
                "{} ({} were in the log)",
                self.unknown, self.unknown_written
            ),
        ));
        text.push_str(&wide(
            "records sent again at the end",
            grouped(self.sent_again),
        ));
        text.push_str(&wide("acknowledged records lost", self.lost.to_string()));
        text.push_str(&wide(
            "acknowledged records that differ",
            self.differing.to_string(),
        ));
        text.push_str(&wide(
            "acknowledged records out of order",
            self.reordered.to_string(),
        ));
        text.push_str(&wide("records duplicated", self.duplicated.to_string()));
        text.push_str(&wide(
            "longest gap between acknowledgements",
            format!("{} ms (around the kill)", self.longest_gap_ms),
        ));
        text.push_str(&wide(
            "time to produce, the kill included",
            milliseconds(Duration::try_from_secs_f64(self.produce_seconds).unwrap_or_default()),
        ));
        text.push_str(&wide(
            "cold start to first acknowledged record",
            format!(
                "{} ms (six processes, topic creation included)",
                self.cold_start_ms
            ),
        ));
        text.push_str(&wide(
            "killed broker's start to back in every ISR",
            milliseconds(
                Duration::try_from_secs_f64(self.back_in_sync_seconds).unwrap_or_default(),
            ),
        ));
        for example in &self.examples {
            text.push_str(&format!("  WRONG: {example}\n"));
        }
        text.push_str(if self.is_clean {
            "\nEvery acknowledged record is at its offset, with its key and value."
        } else {
            "\nNOT CLEAN: see the numbers above."
        });
        text
    }

    /// Success only if every promise held.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        if self.is_clean {
            return Ok(());
        }
        Err(Failure::failed(format!(
            "{} lost, {} differing, {} out of order, {} duplicated",
            self.lost, self.differing, self.reordered, self.duplicated
        ))
        .try_next("look into the logs in the cluster's folder; data and logs are kept"))
    }
}

/// The longest time without an acknowledgement that ends after the kill: the kill's own effect.
fn longest_gap(times: &[Instant], killed_at: Instant) -> Duration {
    times
        .windows(2)
        .filter_map(|pair| match pair {
            [before, after] if *after >= killed_at => Some(after.duration_since(*before)),
            _ => None,
        })
        .max()
        .unwrap_or_default()
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_is_the_kills_own() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let times = [at(0), at(500), at(510), at(590), at(600)];
        assert_eq!(longest_gap(&times, at(505)), Duration::from_millis(80));
        assert_eq!(longest_gap(&times, at(900)), Duration::ZERO);
        assert_eq!(longest_gap(&[], at(0)), Duration::ZERO);
    }

    fn report(first: Findings, last: Findings) -> Report {
        let now = Instant::now();
        let outcomes = vec![Outcome::Unknown {
            reason: "x".to_owned(),
        }];
        let produced = Produced {
            outcomes,
            acknowledged_at: vec![now],
        };
        let measured = Measured {
            started: now,
            killed: "broker-1".to_owned(),
            killed_led: 2,
            killed_at: now,
            open_at_kill: 1,
            back_in_sync: Duration::ZERO,
        };
        Report::new(&produced, measured, &first, last)
    }

    #[test]
    fn only_a_clean_run_succeeds() {
        let fine = Findings::default();
        assert!(report(fine.clone(), fine.clone()).verdict().is_ok());
        let absent = Findings {
            absent: vec![0],
            ..fine.clone()
        };
        // Absent at first and sent again since: fine.
        assert!(report(absent.clone(), fine.clone()).verdict().is_ok());
        assert!(report(fine.clone(), absent).verdict().is_err());
        let lost = Findings {
            lost: 1,
            ..fine.clone()
        };
        assert!(report(lost, fine.clone()).verdict().is_err());
        // One duplicate is explained by the one record of unknown fate, two are not.
        let duplicated = |count| Findings {
            duplicated: count,
            ..fine.clone()
        };
        assert!(report(fine.clone(), duplicated(1)).verdict().is_ok());
        assert!(report(fine.clone(), duplicated(2)).verdict().is_err());
    }
}
