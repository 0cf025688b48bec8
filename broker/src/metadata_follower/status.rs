//! [`FeedStatus`]: how the follower stands, for readiness and metrics.

use trimaran_types::ClusterId;

/// How far the follower is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeedStatus {
    /// The cluster whose log it follows; absent before the first answer.
    pub cluster_id: Option<ClusterId>,
    /// First index that the last controller to answer had not applied.
    pub applied_end: u64,
    /// It has replayed all that was committed when it first got an answer in this run.
    pub is_caught_up: bool,
    /// The controllers go on with another history than the one that this process has served from.
    /// Once set it stays: the replicas here were made from the other one, and only a start, which
    /// sets aside what no record explains, can tell what becomes of them.
    pub other_history: Option<String>,
    /// Why there is no answer now; absent while there is.
    pub problem: Option<String>,
}
