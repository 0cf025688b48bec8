//! [`longest_gap`]: how long a producer went without an acknowledgement.

use std::time::Duration;

use trimaran_types::PartitionIndex;

use super::Attempt;

/// A stretch between two acknowledgements that followed each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The acknowledgement before it.
    pub from: Duration,
    /// The one after it.
    pub to: Duration,
}

impl Gap {
    /// How long it was.
    #[must_use]
    pub const fn length(&self) -> Duration {
        self.to.saturating_sub(self.from)
    }
}

/// The longest stretch between two acknowledgements that follow each other, in one partition or over
/// all; `None` with fewer than two.
#[must_use]
pub fn longest_gap(attempts: &[Attempt], partition: Option<PartitionIndex>) -> Option<Gap> {
    let mut times: Vec<Duration> = attempts
        .iter()
        .filter(|attempt| attempt.acked_offset().is_some())
        .filter(|attempt| partition.is_none_or(|wanted| attempt.partition == wanted))
        .map(|attempt| attempt.completed)
        .collect();
    times.sort_unstable();
    let pairs = times.windows(2).map(|pair| Gap {
        from: pair[0],
        to: pair[1],
    });
    pairs.max_by_key(Gap::length)
}

#[cfg(test)]
mod tests {
    use trimaran_types::Offset;

    use super::*;
    use crate::history::{AttemptOutcome, ValueId};

    fn acked(partition: u32, completed_ms: u64) -> Attempt {
        Attempt {
            value: ValueId {
                producer: 0,
                sequence: completed_ms,
            },
            partition: PartitionIndex(partition),
            invoked: Duration::ZERO,
            completed: Duration::from_millis(completed_ms),
            outcome: AttemptOutcome::Acked(Offset(0)),
        }
    }

    #[test]
    fn the_longest_stretch_counts_and_refusals_do_not_end_it() {
        let mut refused = acked(0, 50);
        refused.outcome = AttemptOutcome::Refused(String::new());
        let attempts = [
            acked(0, 0),
            acked(1, 10),
            refused,
            acked(0, 100),
            acked(1, 105),
        ];
        let gap = |partition| longest_gap(&attempts, partition).map(|gap| gap.length().as_millis());
        assert_eq!(gap(None), Some(90));
        assert_eq!(gap(Some(PartitionIndex(0))), Some(100));
        assert_eq!(gap(Some(PartitionIndex(7))), None);
    }
}
