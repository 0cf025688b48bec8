//! Raft between controllers, as HTTP posts on the controller listener.
//!
//! Every call says which cluster it is of, who sends it, and which node with which directory it
//! means to reach; a mismatch is refused and logged on both sides, so that nodes of two clusters,
//! or a voter whose disk was replaced, never exchange votes. Bodies are MessagePack.

mod client;
mod envelope;
mod reach;
mod routes;
mod snapshot_frame;

pub(crate) use client::Peers;
pub(crate) use envelope::Identity;
pub(crate) use reach::Reach;
pub(crate) use routes::router;

/// Appends entries; also the heartbeat.
pub(crate) const APPEND: &str = "/raft/append";
/// Asks for a vote.
pub(crate) const VOTE: &str = "/raft/vote";
/// Asks whether a vote would be given (KIP-996).
pub(crate) const PRE_VOTE: &str = "/raft/pre-vote";
/// Sends a whole snapshot.
pub(crate) const SNAPSHOT: &str = "/raft/snapshot";
/// Hands leadership over.
pub(crate) const TRANSFER_LEADER: &str = "/raft/transfer-leader";
/// A response that never ends while the node runs.
pub(crate) const PRESENCE: &str = "/raft/presence";
