//! The state at the end: is it there, is it whole, and what is in it.

use std::collections::{BTreeMap, BTreeSet};

use trimaran_types::{Offset, PartitionIndex};

use super::Anomaly;
use crate::history::{FinalRead, History, SeenRecord, ValueId};

/// Partitions that were used and have no whole final read.
pub(super) fn incomplete(history: &History) -> Vec<Anomaly> {
    let mut anomalies = Vec::new();
    for partition in used_partitions(history) {
        let mut reads = history
            .final_reads
            .iter()
            .filter(|read| read.partition == partition);
        let why = match reads.clone().next() {
            None => Some("it was not read in the end".to_owned()),
            Some(_) => reads.find_map(defect),
        };
        anomalies.extend(why.map(|why| Anomaly::Unproven { partition, why }));
    }
    anomalies
}

/// Every partition that any client touched.
fn used_partitions(history: &History) -> BTreeSet<PartitionIndex> {
    let written = history.attempts.iter().map(|attempt| attempt.partition);
    let read = history.reads.iter().map(|read| read.partition);
    written.chain(read).collect()
}

/// What keeps a final read from being the whole log.
fn defect(read: &FinalRead) -> Option<String> {
    let through = &read.through;
    if read.start != Offset::ZERO {
        return Some(format!("it starts at {} through {through}", read.start));
    }
    let mut expected = read.start;
    for SeenRecord { offset, .. } in &read.records {
        if *offset != expected {
            return Some(format!(
                "{offset} follows where {expected} should, through {through}"
            ));
        }
        expected = expected.next();
    }
    let end = read.end;
    (expected != end).then(|| format!("it was read to {expected} of {end} through {through}"))
}

/// Where each value is in the end, by partition; of several final reads the first counts, since
/// another rule compares them.
pub(super) fn places(history: &History) -> BTreeMap<(PartitionIndex, ValueId), Vec<Offset>> {
    let mut places: BTreeMap<_, Vec<Offset>> = BTreeMap::new();
    for (partition, records) in final_records(history) {
        for record in records {
            if let Some(value) = record.value {
                places
                    .entry((partition, value))
                    .or_default()
                    .push(record.offset);
            }
        }
    }
    places
}

/// The first final read of each partition.
pub(super) fn final_records(history: &History) -> BTreeMap<PartitionIndex, &[SeenRecord]> {
    let mut first = BTreeMap::new();
    for read in &history.final_reads {
        first
            .entry(read.partition)
            .or_insert(read.records.as_slice());
    }
    first
}
