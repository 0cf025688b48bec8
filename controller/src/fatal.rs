//! [`Fatal`]: the conditions that a controller must not survive, and the status it exits with.

use trimaran_raft_store::{OpenError, StoreFault, WriteError};

use crate::bootstrap::BootstrapError;
use crate::directory::DirectoryError;

/// Why a controller ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// The first start cannot succeed.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// The directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The raft store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The raft store failed. What it acknowledged is safe with the other controllers.
    #[error("{0}")]
    Store(String),
    /// The other controllers' history is not the one applied here.
    #[error(
        "{0}. This controller stops, and must not be started again before somebody has looked: keep \
         its directory, it may hold the only copy of changes that were acknowledged. Look for a \
         controller whose directory was damaged, or restored from a copy; docs/operations.md says \
         what to do when controllers contradict each other"
    )]
    Diverged(String),
    /// The raft core stopped.
    #[error("raft stopped: {0}")]
    Raft(String),
    /// The timers contradict each other.
    #[error("raft cannot be configured: {0}")]
    Config(String),
    /// A task of the controller was lost.
    #[error("a task of the controller was lost: {0}")]
    Lost(String),
}

impl Fatal {
    /// The exit status: 2 when a restart cannot help without an operator, 70 when it may.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Bootstrap(_)
            | Self::Directory(_)
            | Self::Open(_)
            | Self::Config(_)
            | Self::Diverged(_) => 2,
            Self::Store(_) | Self::Raft(_) | Self::Lost(_) => 70,
        }
    }
}

impl From<&StoreFault> for Fatal {
    fn from(fault: &StoreFault) -> Self {
        match fault {
            StoreFault::Disk { .. } => Self::Store(fault.to_string()),
            StoreFault::Contradicted { .. }
            | StoreFault::TwoLeaders { .. }
            | StoreFault::Diverged(_) => Self::Diverged(fault.to_string()),
        }
    }
}

impl From<WriteError> for Fatal {
    fn from(error: WriteError) -> Self {
        Self::Store(error.to_string())
    }
}
