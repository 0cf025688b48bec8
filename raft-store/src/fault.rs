//! [`StoreFault`] and [`WriteError`]: what may go wrong with the store, and how it stays wrong.

use std::io;
use std::sync::Arc;

/// The first fault of the store. It is final for this process.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// The disk failed. After a failed sync the kernel may have dropped the pages, so that a retry
    /// that succeeds proves nothing.
    #[error("the raft store failed to {operation}: {cause}")]
    Disk {
        /// What was attempted.
        operation: &'static str,
        /// What the disk or the database said.
        cause: String,
    },
    /// The leader's history is not the one that this node has committed and applied. Raft cannot
    /// come to this while what was synced stays; to follow would change what was answered.
    #[error(
        "the leader's log contradicts entry {index}, and this node has committed and applied \
         everything up to entry {committed}: a node of this group has lost synced data"
    )]
    Contradicted {
        /// The first entry that would go.
        index: u64,
        /// The last that is committed here.
        committed: u64,
    },
    /// Two nodes were elected in one term: somebody voted twice.
    #[error(
        "nodes {known} and {other} are both leader of term {term}: a node of this group has lost its vote"
    )]
    TwoLeaders {
        /// The term.
        term: u64,
        /// Whom this node has followed in it.
        known: u64,
        /// Who claims it, too.
        other: u64,
    },
    /// The application has found that its state is not the leader's.
    #[error("{0}")]
    Diverged(String),
}

impl StoreFault {
    pub(crate) fn new(operation: &'static str, cause: impl std::fmt::Display) -> Self {
        Self::Disk {
            operation,
            cause: cause.to_string(),
        }
    }
}

/// Why a call was not carried out.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// The store failed, now or at an earlier call.
    #[error(transparent)]
    Fault(#[from] Arc<StoreFault>),
    /// The store was closed.
    #[error("the raft store is closed")]
    Closed,
    /// A newer snapshot is in place; this one was dropped.
    #[error("a newer snapshot is already in place")]
    Superseded,
}

impl From<WriteError> for io::Error {
    fn from(error: WriteError) -> Self {
        Self::other(error)
    }
}
