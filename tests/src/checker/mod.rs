//! Judges a history against the promises of `docs/invariants.md`; one rule a file.
//!
//! The rules are those of Jepsen's Kafka workload, for a log without transactions and compaction. A
//! write whose fate is unknown may be there or not; a refused one must not be there, an acknowledged
//! one must. The checker trusts no order but that of the one clock that all clients share.

mod acked;
mod anomaly;
mod duplicates;
mod final_log;
mod one_value;
mod real_time;
mod unsent;
mod verdict;
mod visible;

#[cfg(test)]
mod checker_test;

pub use anomaly::Anomaly;
pub use verdict::Verdict;

use crate::history::History;

/// Judges `history`, which must end with at least one final read of each partition that was used.
#[must_use]
pub fn check(history: &History) -> Verdict {
    let mut anomalies = final_log::incomplete(history);
    anomalies.extend(one_value::two_values(history));
    anomalies.extend(acked::lost(history));
    anomalies.extend(real_time::out_of_order(history));
    anomalies.extend(visible::unseen_or_vanished(history));
    anomalies.extend(unsent::never_written(history));
    let (forbidden, allowed) = duplicates::duplicates(history);
    anomalies.extend(forbidden);
    Verdict::new(history, anomalies, allowed)
}
