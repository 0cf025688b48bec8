//! The bounds of a partition's log.

use serde::{Deserialize, Serialize};
use trimaran_types::{LeaderEpoch, Offset};

/// What a leader says of its partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionOffsets {
    /// First offset kept.
    pub log_start: Offset,
    /// First offset that consumers may not read yet.
    pub high_watermark: Offset,
    /// First unwritten offset.
    pub log_end: Offset,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
}
