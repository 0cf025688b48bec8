//! [`FollowerError`]: what a metadata follower cannot get over.

use trimaran_types::ClusterId;

/// Why the follower gave up. Everything else it retries.
#[derive(Debug, thiserror::Error)]
pub enum FollowerError {
    /// The controllers belong to another cluster than this broker's data.
    #[error(
        "the controllers at {address} belong to cluster {theirs}, this broker's directory to {ours}; \
         correct controller.quorum.bootstrap.servers or log.dirs"
    )]
    ForeignCluster {
        /// Who answered.
        address: String,
        /// The cluster of the directory.
        ours: ClusterId,
        /// The cluster of the feed.
        theirs: ClusterId,
    },
    /// A controller refused the feed because of the cluster that the broker named.
    #[error("{message}")]
    Refused {
        /// The controller's words.
        message: String,
    },
}
