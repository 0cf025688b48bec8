//! The first start of a quorum: who is there, and the cluster they found.

use serde::{Deserialize, Serialize};
use trimaran_types::{ClusterId, ControllerId, DirectoryId};

/// One voter of the founding quorum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootstrapVoter {
    /// Its `node.id`.
    pub controller_id: ControllerId,
    /// Its listener, `host:port`.
    pub address: String,
    /// The directory that it votes from.
    pub directory_id: DirectoryId,
}

/// Answer to `GET /v1/bootstrap`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootstrapStatus {
    /// The node that answers.
    pub controller_id: ControllerId,
    /// Its directory.
    pub directory_id: DirectoryId,
    /// The cluster it belongs to; absent on an empty directory.
    pub cluster_id: Option<ClusterId>,
    /// The founding voters, once it knows them; else empty.
    #[serde(default)]
    pub voters: Vec<BootstrapVoter>,
}

/// Body of `POST /v1/bootstrap`: the lowest voter tells the others what they found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootstrapRequest {
    /// The new cluster.
    pub cluster_id: ClusterId,
    /// All founding voters.
    pub voters: Vec<BootstrapVoter>,
}
