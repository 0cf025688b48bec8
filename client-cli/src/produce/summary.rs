//! [`Summary`]: how many records met which fate.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use trimaran_types::{PartitionIndex, TopicName};

use super::Outcome;
use crate::failure::Failure;
use crate::output::{grouped, milliseconds};

/// Refused batches' records after which the rest of the input is not tried.
const REFUSED_MAX: u64 = 500;

/// Examples of lines that are kept.
const EXAMPLES_MAX: usize = 5;

/// Counts of one run.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    topic: TopicName,
    sent: u64,
    acknowledged: u64,
    refused: u64,
    unknown: u64,
    seconds: f64,
    /// Acknowledged records by partition.
    partitions: BTreeMap<PartitionIndex, u64>,
    /// The first lines that were not acknowledged.
    examples: Vec<Example>,
}

#[derive(Debug, Serialize)]
struct Example {
    line: u64,
    fate: &'static str,
    reason: String,
}

impl Summary {
    pub(super) fn new(topic: TopicName) -> Self {
        Self {
            topic,
            sent: 0,
            acknowledged: 0,
            refused: 0,
            unknown: 0,
            seconds: 0.0,
            partitions: BTreeMap::new(),
            examples: Vec::new(),
        }
    }

    /// Counts the record of `line`.
    pub(super) fn count(&mut self, line: u64, outcome: &Outcome) {
        self.sent += 1;
        let (fate, reason) = match outcome {
            Outcome::Acknowledged { partition, .. } => {
                self.acknowledged += 1;
                *self.partitions.entry(*partition).or_default() += 1;
                return;
            }
            Outcome::Refused { reason } => {
                self.refused += 1;
                ("refused", reason)
            }
            Outcome::Unknown { reason } => {
                self.unknown += 1;
                ("unknown", reason)
            }
        };
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(Example {
                line,
                fate,
                reason: reason.clone(),
            });
        }
    }

    pub(super) fn took(&mut self, time: Duration) {
        self.seconds = time.as_secs_f64();
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Nothing was ever taken: the rest would fare no better.
    pub(super) fn is_hopeless(&self) -> bool {
        self.acknowledged == 0 && self.refused + self.unknown >= REFUSED_MAX
            || self.refused >= 10 * REFUSED_MAX
    }

    pub(super) fn text(&self) -> String {
        let count = |n: u64| grouped(usize::try_from(n).unwrap_or(usize::MAX));
        let s = if self.sent == 1 { "" } else { "s" };
        let mut text = format!(
            "{} record{s} sent to '{}', {} acknowledged on {} partition{} in {}",
            count(self.sent),
            self.topic,
            count(self.acknowledged),
            self.partitions.len(),
            if self.partitions.len() == 1 { "" } else { "s" },
            milliseconds(Duration::try_from_secs_f64(self.seconds).unwrap_or_default()),
        );
        if self.refused > 0 {
            text.push_str(&format!(", {} refused (not written)", count(self.refused)));
        }
        if self.unknown > 0 {
            text.push_str(&format!(
                ", {} UNKNOWN (written or not)",
                count(self.unknown)
            ));
        }
        for example in &self.examples {
            text.push_str(&format!(
                "\n  line {} {}: {}",
                example.line, example.fate, example.reason
            ));
        }
        text
    }

    /// Success only if every record was acknowledged.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        match (self.refused, self.unknown) {
            (0, 0) => Ok(()),
            (refused, 0) => Err(Failure::failed(format!(
                "not written: {refused} of {}",
                self.sent
            ))
            .try_next("trimaran topic describe ".to_owned() + self.topic.as_str())),
            (_, unknown) => Err(Failure::failed(format!(
                "the fate of {unknown} records is unknown: sending them again may write them twice"
            ))
            .try_next(format!(
                "trimaran consume {} --format json   (to see which are there)",
                self.topic
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimaran_types::Offset;

    #[test]
    fn only_all_acknowledged_is_success() {
        let mut summary = Summary::new(TopicName::new("t").unwrap());
        let acknowledged = Outcome::Acknowledged {
            partition: PartitionIndex(1),
            offset: Offset(0),
        };
        summary.count(1, &acknowledged);
        summary.took(Duration::from_millis(3));
        assert_eq!(
            summary.text(),
            "1 record sent to 't', 1 acknowledged on 1 partition in 3 ms"
        );
        assert_eq!(summary.verdict(), Ok(()));
        summary.count(
            2,
            &Outcome::Unknown {
                reason: "broke".to_owned(),
            },
        );
        assert!(
            summary
                .text()
                .ends_with("1 UNKNOWN (written or not)\n  line 2 unknown: broke")
        );
        assert!(summary.verdict().unwrap_err().message().contains("unknown"));
    }

    #[test]
    fn a_cluster_that_takes_nothing_is_given_up() {
        let mut summary = Summary::new(TopicName::new("t").unwrap());
        for line in 1..=REFUSED_MAX {
            assert!(!summary.is_hopeless());
            summary.count(
                line,
                &Outcome::Refused {
                    reason: "no".to_owned(),
                },
            );
        }
        assert!(summary.is_hopeless());
    }
}
