//! [`Anomaly`]: a promise that was broken, with the evidence.

use std::fmt;

use trimaran_types::{Offset, PartitionIndex};

use crate::history::ValueId;

/// One broken promise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anomaly {
    /// P-ACKED: the acknowledged value is not at its offset in the end.
    Lost {
        /// Where it should be.
        partition: PartitionIndex,
        /// The offset acknowledged.
        offset: Offset,
        /// What was acknowledged.
        value: ValueId,
        /// The offset where it is instead, if anywhere.
        found_at: Option<Offset>,
    },
    /// P-ORDER: two values were seen or acknowledged at one offset. `None` is a value of no producer.
    TwoValues {
        /// The partition.
        partition: PartitionIndex,
        /// The offset.
        offset: Offset,
        /// One of them.
        first: Option<ValueId>,
        /// The other one.
        second: Option<ValueId>,
    },
    /// P-ORDER: a write that began after another was acknowledged got a lower offset.
    OutOfOrder {
        /// The partition.
        partition: PartitionIndex,
        /// Acknowledged first, and where.
        earlier: (ValueId, Offset),
        /// Begun after that, and where it went.
        later: (ValueId, Offset),
    },
    /// P-VISIBLE: an answer to a read leaves an offset out, or gives one twice.
    Skipped {
        /// Who read.
        consumer: u32,
        /// The partition.
        partition: PartitionIndex,
        /// The offset that should have come.
        expected: Offset,
        /// The one that came.
        found: Offset,
    },
    /// P-VISIBLE: a record that was read is gone in the end.
    Vanished {
        /// Who had read it.
        consumer: u32,
        /// The partition.
        partition: PartitionIndex,
        /// Its offset.
        offset: Offset,
    },
    /// P-VISIBLE: a position reached by reading was refused as out of range later.
    PositionRefused {
        /// Who read.
        consumer: u32,
        /// The partition.
        partition: PartitionIndex,
        /// The position.
        position: Offset,
        /// The words of the refusal.
        message: String,
    },
    /// The log holds a value that no producer made, or one that the cluster refused each time.
    NeverWritten {
        /// The partition.
        partition: PartitionIndex,
        /// Its offset.
        offset: Offset,
        /// The value, if it is one of a run's.
        value: Option<ValueId>,
    },
    /// A value is there more often than it was sent in requests that may have been carried out.
    Duplicated {
        /// The partition.
        partition: PartitionIndex,
        /// What is there twice.
        value: ValueId,
        /// Where.
        offsets: Vec<Offset>,
    },
    /// There is no whole final read of a partition, so nothing can be said of it.
    Unproven {
        /// The partition.
        partition: PartitionIndex,
        /// What is missing.
        why: String,
    },
}

/// A value that may be a stranger's.
struct Shown(Option<ValueId>);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(value) => write!(f, "value {value}"),
            None => f.write_str("a value of no producer"),
        }
    }
}

impl Anomaly {
    /// The promise that was broken, where it has a name.
    const fn promise(&self) -> &'static str {
        match self {
            Self::Lost { .. } => "P-ACKED: ",
            Self::TwoValues { .. } | Self::OutOfOrder { .. } => "P-ORDER: ",
            Self::Skipped { .. } | Self::Vanished { .. } | Self::PositionRefused { .. } => {
                "P-VISIBLE: "
            }
            Self::NeverWritten { .. } | Self::Duplicated { .. } | Self::Unproven { .. } => "",
        }
    }

    /// Where.
    const fn partition(&self) -> PartitionIndex {
        match self {
            Self::Lost { partition, .. }
            | Self::TwoValues { partition, .. }
            | Self::OutOfOrder { partition, .. }
            | Self::Skipped { partition, .. }
            | Self::Vanished { partition, .. }
            | Self::PositionRefused { partition, .. }
            | Self::NeverWritten { partition, .. }
            | Self::Duplicated { partition, .. }
            | Self::Unproven { partition, .. } => *partition,
        }
    }

    /// What, in words.
    fn evidence(&self) -> String {
        match self {
            Self::Lost {
                offset,
                value,
                found_at: Some(place),
                ..
            } => {
                format!("value {value} was acknowledged at {offset} and is at {place}")
            }
            Self::Lost {
                offset,
                value,
                found_at: None,
                ..
            } => {
                format!("value {value} was acknowledged at {offset} and is gone")
            }
            Self::TwoValues {
                offset,
                first,
                second,
                ..
            } => {
                format!("{offset} held {} and {}", Shown(*first), Shown(*second))
            }
            Self::OutOfOrder { earlier, later, .. } => format!(
                "value {} began after {} was acknowledged at {} and went to {}",
                later.0, earlier.0, earlier.1, later.1
            ),
            Self::Skipped {
                consumer,
                expected,
                found,
                ..
            } => {
                format!("consumer {consumer} expected {expected} and got {found}")
            }
            Self::Vanished {
                consumer, offset, ..
            } => {
                format!("consumer {consumer} read {offset}, which is gone")
            }
            Self::PositionRefused {
                consumer,
                position,
                message,
                ..
            } => {
                format!("consumer {consumer} stood at {position}, which was refused: {message}")
            }
            Self::NeverWritten { offset, value, .. } => {
                format!("{offset} holds {}, which was never accepted", Shown(*value))
            }
            Self::Duplicated { value, offsets, .. } => {
                let offsets: Vec<i64> = offsets.iter().map(|offset| offset.0).collect();
                format!("value {value} is at {offsets:?}")
            }
            Self::Unproven { why, .. } => format!("nothing is proven: {why}"),
        }
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (promise, partition) = (self.promise(), self.partition());
        write!(f, "{promise}partition {partition}: {}", self.evidence())
    }
}
