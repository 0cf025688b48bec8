//! [`ChangeError`]: why a change to the disk is not known to be durable, and whether that is final.
//!
//! The system may refuse to open, write or rename for want of room or descriptors, and have some again
//! later. A sync that failed is final whatever the system says of it: what it was asked to keep may be
//! gone from memory, so that a second one that succeeds proves nothing (ADR 0004).

use std::io;

use crate::disk::{DiskDir, DiskFile};
use crate::log::is_exhausted;

/// Why a change to the disk is not known to be durable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    /// It was refused, in part perhaps, before anything was synced.
    #[error(transparent)]
    Refused(#[from] io::Error),
    /// A file or directory could not be synced.
    #[error("the sync failed: {0}")]
    Unsynced(#[source] io::Error),
}

impl ChangeError {
    /// Whether the system has merely run out of something, so that a later try may succeed.
    pub(crate) fn is_exhausted(&self) -> bool {
        matches!(self, Self::Refused(error) if is_exhausted(error))
    }

    /// The system's answer.
    pub(crate) fn into_io(self) -> io::Error {
        match self {
            Self::Refused(error) | Self::Unsynced(error) => error,
        }
    }
}

/// Makes what was written to a file durable.
pub(crate) fn sync_data(file: &dyn DiskFile) -> Result<(), ChangeError> {
    file.sync_data().map_err(ChangeError::Unsynced)
}

/// Makes the names in a directory durable.
pub(crate) fn sync_names(dir: &dyn DiskDir) -> Result<(), ChangeError> {
    dir.sync().map_err(ChangeError::Unsynced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_came_before_a_sync_may_be_tried_again() {
        const ENOSPC: i32 = 28;
        const EIO: i32 = 5;
        let errno = io::Error::from_raw_os_error;
        assert!(ChangeError::from(errno(ENOSPC)).is_exhausted());
        assert!(!ChangeError::from(errno(EIO)).is_exhausted());
        assert!(!ChangeError::Unsynced(errno(ENOSPC)).is_exhausted());
    }
}
