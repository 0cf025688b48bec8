//! P-ORDER: an offset has one value, over all acknowledgements and all reads of all clients.

use std::collections::{BTreeMap, BTreeSet};

use trimaran_types::{Offset, PartitionIndex};

use super::Anomaly;
use crate::history::{History, ValueId};

pub(super) fn two_values(history: &History) -> Vec<Anomaly> {
    let mut first_told: BTreeMap<(PartitionIndex, Offset), Option<ValueId>> = BTreeMap::new();
    let mut anomalies = BTreeSet::new();
    for (partition, offset, value) in statements(history) {
        let first = *first_told.entry((partition, offset)).or_insert(value);
        if first != value {
            anomalies.insert(Anomaly::TwoValues {
                partition,
                offset,
                first,
                second: value,
            });
        }
    }
    anomalies.into_iter().collect()
}

/// Every claim that any client was told: at this place is this value.
fn statements(
    history: &History,
) -> impl Iterator<Item = (PartitionIndex, Offset, Option<ValueId>)> {
    let acked = history
        .attempts
        .iter()
        .filter_map(|it| Some((it.partition, it.acked_offset()?, Some(it.value))));
    let reads = history
        .reads
        .iter()
        .map(|read| (read.partition, &read.records));
    let finals = history
        .final_reads
        .iter()
        .map(|read| (read.partition, &read.records));
    let seen = reads.chain(finals).flat_map(|(partition, records)| {
        records
            .iter()
            .map(move |record| (partition, record.offset, record.value))
    });
    acked.chain(seen)
}
