//! [`Records`]: what a read gives.

use bytes::Bytes;
use trimaran_types::{LeaderEpoch, Offset};

/// Whole record batches from a leader's log, and the bounds of the log at that moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    /// Batches, concatenated. The first may begin below the offset asked for.
    pub bytes: Bytes,
    /// First offset that consumers may not read yet.
    pub high_watermark: Offset,
    /// First offset kept.
    pub log_start: Offset,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
}
