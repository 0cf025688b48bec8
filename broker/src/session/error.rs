//! [`SessionError`]: why a broker cannot be, or stay, a member.

use std::time::Duration;

/// What ends the broker; everything else is tried again.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The controllers refuse this broker for good.
    #[error("the controllers refuse this broker: {message}")]
    Refused {
        /// Their words.
        message: String,
    },
    /// Another process is alive under this id.
    #[error(
        "another process is still registered under this node.id after {waited:?}: {message}; stop it \
         or give this broker another node.id"
    )]
    Duplicate {
        /// How long it was tried.
        waited: Duration,
        /// The controllers' words.
        message: String,
    },
    /// The registration went to another cluster than the directory belongs to.
    #[error(
        "the controllers registered this broker in cluster {theirs}, its directory belongs to {ours}"
    )]
    ForeignCluster {
        /// The directory's cluster.
        ours: trimaran_types::ClusterId,
        /// The controllers' cluster.
        theirs: trimaran_types::ClusterId,
    },
}
