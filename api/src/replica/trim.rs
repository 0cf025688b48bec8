//! The deletion of a partition's oldest records (KIP-107).

use serde::{Deserialize, Serialize};
use trimaran_types::Offset;

/// Query of `POST /v1/partitions/{topic_id}/{partition}/trim`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrimQuery {
    /// The first record to keep.
    pub before: Offset,
    /// How long the in-sync replicas may take to follow.
    pub timeout_ms: u64,
}

/// Answer to a deletion: no in-sync replica has anything below, and the leader has it on its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrimResponse {
    /// First offset that is left.
    pub log_start: Offset,
}
