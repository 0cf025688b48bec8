//! [`StoreFault`] and [`WriteError`]: what may go wrong with the disk, and how it stays wrong.

use std::io;
use std::sync::Arc;

/// The first failure of the disk. It is final for this process: after a failed sync the kernel
/// may have dropped the pages, so that a retry that succeeds proves nothing.
#[derive(Debug, thiserror::Error)]
#[error("the raft store failed to {operation}: {cause}")]
pub struct StoreFault {
    /// What was attempted.
    pub operation: &'static str,
    /// What the disk or the database said.
    pub cause: String,
}

impl StoreFault {
    pub(crate) fn new(operation: &'static str, cause: impl std::fmt::Display) -> Self {
        Self {
            operation,
            cause: cause.to_string(),
        }
    }
}

/// Why a call was not carried out.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// The disk failed, now or at an earlier call.
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
