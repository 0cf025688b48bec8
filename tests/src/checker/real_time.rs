//! P-ORDER in time: a write that begins after another was acknowledged lies behind it.
//!
//! With one producer this is its own order; with several it is the order that they could have told
//! each other. Only acknowledged writes are compared: one of unknown fate may land late.

use std::collections::BTreeMap;
use std::time::Duration;

use trimaran_types::{Offset, PartitionIndex};

use super::Anomaly;
use crate::history::{Attempt, History, ValueId};

struct Acked {
    invoked: Duration,
    completed: Duration,
    offset: Offset,
    value: ValueId,
}

pub(super) fn out_of_order(history: &History) -> Vec<Anomaly> {
    let mut by_partition: BTreeMap<PartitionIndex, Vec<Acked>> = BTreeMap::new();
    for attempt in &history.attempts {
        if let Some(acked) = acked(attempt) {
            by_partition
                .entry(attempt.partition)
                .or_default()
                .push(acked);
        }
    }
    by_partition
        .into_iter()
        .flat_map(|(partition, acked)| sweep(partition, &acked))
        .collect()
}

fn acked(attempt: &Attempt) -> Option<Acked> {
    Some(Acked {
        invoked: attempt.invoked,
        completed: attempt.completed,
        offset: attempt.acked_offset()?,
        value: attempt.value,
    })
}

/// Walks the writes by their beginning, with the highest offset among those that had ended before.
fn sweep(partition: PartitionIndex, acked: &[Acked]) -> Vec<Anomaly> {
    let mut by_start: Vec<&Acked> = acked.iter().collect();
    by_start.sort_by_key(|it| it.invoked);
    let mut by_end: Vec<&Acked> = acked.iter().collect();
    by_end.sort_by_key(|it| it.completed);
    let mut ended = by_end.into_iter().peekable();
    let mut highest: Option<&Acked> = None;
    let mut anomalies = Vec::new();
    for write in by_start {
        while let Some(earlier) = ended.next_if(|it| it.completed < write.invoked) {
            if highest.is_none_or(|known| known.offset < earlier.offset) {
                highest = Some(earlier);
            }
        }
        if let Some(earlier) = highest
            && earlier.offset >= write.offset
        {
            anomalies.push(Anomaly::OutOfOrder {
                partition,
                earlier: (earlier.value, earlier.offset),
                later: (write.value, write.offset),
            });
        }
    }
    anomalies
}
