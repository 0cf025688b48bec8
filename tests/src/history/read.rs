//! What consumers saw.

use std::time::Duration;

use trimaran_types::{Offset, PartitionIndex};

use super::ValueId;

/// A record as a consumer saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenRecord {
    /// Its offset.
    pub offset: Offset,
    /// Its value; `None` when it is not one that the run's producers make.
    pub value: Option<ValueId>,
}

/// One answer to one read, records or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Who read.
    pub consumer: u32,
    /// Where.
    pub partition: PartitionIndex,
    /// The offset asked for.
    pub from: Offset,
    /// When the answer was there.
    pub completed: Duration,
    /// What it held.
    pub records: Vec<SeenRecord>,
}

/// A read at a position that the consumer had reached by reading, refused as out of range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionRefused {
    /// Who read.
    pub consumer: u32,
    /// Where.
    pub partition: PartitionIndex,
    /// The position.
    pub position: Offset,
    /// When the refusal was there.
    pub completed: Duration,
    /// Its words.
    pub message: String,
}

/// A whole partition, read after the load had ended and the cluster was whole again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalRead {
    /// The broker that was asked.
    pub through: String,
    /// Which partition.
    pub partition: PartitionIndex,
    /// Its first offset.
    pub start: Offset,
    /// The first offset that cannot be read.
    pub end: Offset,
    /// Everything between.
    pub records: Vec<SeenRecord>,
}
