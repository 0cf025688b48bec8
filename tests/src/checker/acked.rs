//! P-ACKED: what was acknowledged is at its offset in every final read.

use std::collections::{BTreeMap, BTreeSet};

use super::{Anomaly, final_log};
use crate::history::History;

pub(super) fn lost(history: &History) -> Vec<Anomaly> {
    let places = final_log::places(history);
    let mut lost = BTreeSet::new();
    for read in &history.final_reads {
        let at: BTreeMap<_, _> = read
            .records
            .iter()
            .map(|record| (record.offset, record.value))
            .collect();
        let acked = history
            .attempts
            .iter()
            .filter(|attempt| attempt.partition == read.partition);
        for (attempt, offset) in acked.filter_map(|it| Some((it, it.acked_offset()?))) {
            if at.get(&offset) != Some(&Some(attempt.value)) {
                let place = places.get(&(attempt.partition, attempt.value));
                lost.insert(Anomaly::Lost {
                    partition: attempt.partition,
                    offset,
                    value: attempt.value,
                    found_at: place.and_then(|offsets| offsets.first()).copied(),
                });
            }
        }
    }
    lost.into_iter().collect()
}
