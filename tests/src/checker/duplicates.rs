//! Values that are in the log more than once.
//!
//! A request is written at most once. So there may be as many copies as there were attempts that the
//! cluster did not surely refuse: more than one only where a client sent a value of unknown fate
//! again, and without idempotence nobody could have known better. Those are counted.

use std::collections::BTreeMap;

use super::{Anomaly, final_log};
use crate::history::{AttemptOutcome, History};

/// Forbidden duplicates, and how many superfluous copies are allowed.
pub(super) fn duplicates(history: &History) -> (Vec<Anomaly>, usize) {
    let mut tries: BTreeMap<_, usize> = BTreeMap::new();
    for attempt in &history.attempts {
        if !matches!(attempt.outcome, AttemptOutcome::Refused(_)) {
            *tries.entry((attempt.partition, attempt.value)).or_default() += 1;
        }
    }
    let mut forbidden = Vec::new();
    let mut allowed = 0;
    for (place, offsets) in final_log::places(history) {
        if offsets.len() < 2 {
            continue;
        }
        if offsets.len() <= tries.get(&place).copied().unwrap_or(0) {
            allowed += offsets.len() - 1;
        } else {
            let (partition, value) = place;
            forbidden.push(Anomaly::Duplicated {
                partition,
                value,
                offsets,
            });
        }
    }
    (forbidden, allowed)
}
