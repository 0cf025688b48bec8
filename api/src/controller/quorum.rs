//! The quorum, in the words of Kafka's `kafka-metadata-quorum`.

use serde::{Deserialize, Serialize};
use trimaran_types::{ClusterId, ControllerId, DirectoryId};

/// Answer to `GET /v1/quorum`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuorumStatus {
    /// The cluster.
    pub cluster_id: ClusterId,
    /// The controller that answered; what follows is its view.
    pub observed_by: ControllerId,
    /// The active controller; absent while there is none.
    pub leader_id: Option<ControllerId>,
    /// The raft term.
    pub leader_epoch: u64,
    /// First index that is not committed.
    pub high_watermark: u64,
    /// Index of the last entry applied to the observer's image.
    pub applied_index: Option<u64>,
    /// Index of the last entry in the observer's snapshot.
    pub snapshot_index: Option<u64>,
    /// First index still in the observer's log.
    pub log_start: u64,
    /// Every voter, by id.
    pub voters: Vec<VoterStatus>,
}

/// What a voter is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VoterRole {
    /// It leads.
    Leader,
    /// It follows the leader.
    Follower,
    /// It stands for election.
    Candidate,
    /// It catches up and does not vote yet.
    Learner,
    /// The observer cannot tell.
    Unknown,
}

/// One voter as the observer sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VoterStatus {
    /// Its id.
    pub controller_id: ControllerId,
    /// Its directory.
    pub directory_id: DirectoryId,
    /// Its listener.
    pub address: String,
    /// What it does.
    pub role: VoterRole,
    /// First unwritten index of its log; only a leader knows it of others.
    pub log_end: Option<u64>,
    /// Entries that it lacks of the leader's log.
    pub lag: Option<u64>,
    /// Milliseconds since the leader last heard of it; only a leader knows.
    pub last_contact_ms: Option<u64>,
}
