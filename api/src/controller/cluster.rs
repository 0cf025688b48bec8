//! Who a node is.

use serde::{Deserialize, Serialize};
use trimaran_types::ClusterId;

/// Answer to `GET /v1/cluster`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterStatus {
    /// The cluster; absent before its first start is complete.
    pub cluster_id: Option<ClusterId>,
    /// `controller-1`, `broker-3`.
    pub node: String,
    /// The software's version.
    pub version: String,
}
