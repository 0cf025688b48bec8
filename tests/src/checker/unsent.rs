//! Nothing is in the log that nobody wrote, nor what the cluster refused each time.

use std::collections::{BTreeMap, BTreeSet};

use super::Anomaly;
use crate::history::{AttemptOutcome, History, SeenRecord};

pub(super) fn never_written(history: &History) -> Vec<Anomaly> {
    let mut may_be_there: BTreeMap<_, bool> = BTreeMap::new();
    for attempt in &history.attempts {
        let may = !matches!(attempt.outcome, AttemptOutcome::Refused(_));
        *may_be_there
            .entry((attempt.partition, attempt.value))
            .or_default() |= may;
    }
    let reads = history
        .reads
        .iter()
        .map(|read| (read.partition, &read.records));
    let finals = history
        .final_reads
        .iter()
        .map(|read| (read.partition, &read.records));
    let mut strangers = BTreeSet::new();
    for (partition, records) in reads.chain(finals) {
        for SeenRecord { offset, value } in records {
            let known = value.and_then(|value| may_be_there.get(&(partition, value)));
            if known != Some(&true) {
                strangers.insert(Anomaly::NeverWritten {
                    partition,
                    offset: *offset,
                    value: *value,
                });
            }
        }
    }
    strangers.into_iter().collect()
}
