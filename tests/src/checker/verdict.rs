//! [`Verdict`]: the anomalies, and the counts that show that the run meant something.

use anyhow::{Result, bail};

use super::{Anomaly, final_log};
use crate::history::{AttemptOutcome, History};

/// How many anomalies an error spells out.
const ANOMALIES_TOLD_MAX: usize = 10;

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Every broken promise.
    pub anomalies: Vec<Anomaly>,
    /// Attempts that were acknowledged.
    pub acked: usize,
    /// Attempts that were surely refused.
    pub refused: usize,
    /// Attempts of unknown fate.
    pub unknown: usize,
    /// Values of which all that is known is an unknown attempt, and which are there.
    pub unknown_and_stored: usize,
    /// Superfluous copies that an unknown attempt explains.
    pub duplicates_allowed: usize,
    /// Records that consumers saw during the run.
    pub read: usize,
}

impl Verdict {
    pub(super) fn new(
        history: &History,
        anomalies: Vec<Anomaly>,
        duplicates_allowed: usize,
    ) -> Self {
        let places = final_log::places(history);
        let is_stored = |partition, value| places.contains_key(&(partition, value));
        let mut verdict = Self {
            anomalies,
            acked: 0,
            refused: 0,
            unknown: 0,
            unknown_and_stored: 0,
            duplicates_allowed,
            read: history.reads.iter().map(|read| read.records.len()).sum(),
        };
        for attempt in &history.attempts {
            match attempt.outcome {
                AttemptOutcome::Acked(_) => verdict.acked += 1,
                AttemptOutcome::Refused(_) => verdict.refused += 1,
                AttemptOutcome::Unknown(_) => {
                    verdict.unknown += 1;
                    let stored = is_stored(attempt.partition, attempt.value);
                    verdict.unknown_and_stored += usize::from(stored);
                }
            }
        }
        verdict
    }

    /// Refuses a run with any anomaly.
    ///
    /// # Errors
    /// The first of them, and how many there are.
    pub fn into_result(self) -> Result<Self> {
        if self.anomalies.is_empty() {
            return Ok(self);
        }
        let told: Vec<String> = self
            .anomalies
            .iter()
            .take(ANOMALIES_TOLD_MAX)
            .map(|anomaly| format!("  {anomaly}"))
            .collect();
        bail!(
            "{} promises broken ({self}):\n{}",
            self.anomalies.len(),
            told.join("\n")
        )
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} acknowledged, {} refused, {} unknown of which {} are there, {} duplicates that \
             these explain, {} read",
            self.acked,
            self.refused,
            self.unknown,
            self.unknown_and_stored,
            self.duplicates_allowed,
            self.read
        )
    }
}
