//! A broker reads at the leader for a client. The answer is record batches with these headers:
//! high watermark, log start and leader epoch under [`HIGH_WATERMARK`] and its like.

use serde::{Deserialize, Serialize};
use trimaran_types::Offset;

/// Query of the read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadQuery {
    /// First offset wanted.
    pub offset: Offset,
    /// Soft bound of the answer; the first batch is always whole.
    pub bytes_max: usize,
    /// Answer as soon as so many bytes are there.
    pub bytes_min: usize,
    /// How long to wait for them.
    pub wait_ms: u64,
}

/// Response header: the high watermark.
pub const HIGH_WATERMARK: &str = "trimaran-high-watermark";
/// Response header: the first offset kept.
pub const LOG_START: &str = "trimaran-log-start";
/// Response header: the leader's epoch.
pub const LEADER_EPOCH: &str = "trimaran-leader-epoch";
