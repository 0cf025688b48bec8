//! P-VISIBLE: reads have no holes, go on where they stopped, and nothing that was read vanishes.

use std::collections::{BTreeMap, BTreeSet};

use trimaran_types::{Offset, PartitionIndex};

use super::Anomaly;
use crate::history::{History, Read};

pub(super) fn unseen_or_vanished(history: &History) -> Vec<Anomaly> {
    let mut anomalies: Vec<Anomaly> = history.reads.iter().filter_map(skipped).collect();
    anomalies.extend(vanished(history));
    anomalies.extend(
        history
            .refused_positions
            .iter()
            .map(|refused| Anomaly::PositionRefused {
                consumer: refused.consumer,
                partition: refused.partition,
                position: refused.position,
                message: refused.message.clone(),
            }),
    );
    anomalies
}

/// The first place where an answer does not go on from the offset asked for, one by one.
fn skipped(read: &Read) -> Option<Anomaly> {
    let mut expected = read.from;
    for record in &read.records {
        if record.offset != expected {
            return Some(Anomaly::Skipped {
                consumer: read.consumer,
                partition: read.partition,
                expected,
                found: record.offset,
            });
        }
        expected = expected.next();
    }
    None
}

/// Records that somebody read and that a final read of the partition does not reach. That they have
/// the same value there is another rule's.
fn vanished(history: &History) -> BTreeSet<Anomaly> {
    let mut ends: BTreeMap<PartitionIndex, Offset> = BTreeMap::new();
    for read in &history.final_reads {
        let end = read
            .records
            .last()
            .map_or(read.start, |record| record.offset.next());
        let known = ends.entry(read.partition).or_insert(end);
        *known = end.min(*known);
    }
    let mut gone = BTreeSet::new();
    for read in &history.reads {
        let Some(end) = ends.get(&read.partition) else {
            continue;
        };
        if let Some(record) = read.records.iter().find(|record| record.offset >= *end) {
            gone.insert(Anomaly::Vanished {
                consumer: read.consumer,
                partition: read.partition,
                offset: record.offset,
            });
        }
    }
    gone
}
