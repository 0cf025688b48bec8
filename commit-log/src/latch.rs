//! [`DirLatch`]: the memory that a log directory has failed. It never forgets.
//!
//! After a failed sync the system may call pages clean that never reached the device, so a retry
//! that succeeds proves nothing. The first failure is final for this process: no append, no flush,
//! no checkpoint is tried again in the directory (promise P-ACKED).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::change_error::ChangeError;

/// A log directory is out of service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("log directory {} has failed and is out of service: {cause}", dir.display())]
pub struct DirFailed {
    /// The directory.
    pub dir: PathBuf,
    /// The first failure: what was tried, on which file, and the system's answer.
    pub cause: Arc<str>,
}

/// The state of one log directory, shared by everything that writes in it.
#[derive(Debug)]
pub struct DirLatch {
    dir: PathBuf,
    failure: OnceLock<DirFailed>,
}

impl DirLatch {
    /// A directory in good order.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            failure: OnceLock::new(),
        }
    }

    /// Passes while the directory is in good order.
    ///
    /// # Errors
    /// The first failure.
    pub fn check(&self) -> Result<(), DirFailed> {
        self.failure
            .get()
            .map_or(Ok(()), |failure| Err(failure.clone()))
    }

    /// The first failure, if there was one.
    #[must_use]
    pub fn failure(&self) -> Option<&DirFailed> {
        self.failure.get()
    }

    /// Takes the directory out of service for good and tells why it is out: for this, or for what
    /// came first.
    pub fn fail(&self, doing: &'static str, path: &Path, error: &io::Error) -> DirFailed {
        let failure = self.failure.get_or_init(|| {
            let cause = format!("cannot {doing} {}: {error}", path.display());
            tracing::error!(dir = %self.dir.display(), %cause, "log directory failed");
            DirFailed {
                dir: self.dir.clone(),
                cause: Arc::from(cause),
            }
        });
        failure.clone()
    }

    /// Takes note of a change to the directory that is not durable. Want of room or descriptors ends
    /// nothing; after any other error, and any failed sync, nobody knows what the disk holds.
    ///
    /// # Errors
    /// The directory is out of service now, or was before.
    pub(crate) fn refused(
        &self,
        doing: &'static str,
        path: &Path,
        error: &ChangeError,
    ) -> Result<(), DirFailed> {
        match error {
            error if error.is_exhausted() => self.check(),
            ChangeError::Refused(error) => Err(self.fail(doing, path, error)),
            ChangeError::Unsynced(error) => Err(self.fail("sync", path, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_is_kept() {
        let latch = DirLatch::new(Path::new("/data"));
        assert_eq!(latch.check(), Ok(()));
        let first = latch.fail("sync", Path::new("/data/a"), &io::Error::other("first"));
        let second = latch.fail("sync", Path::new("/data/b"), &io::Error::other("second"));
        assert_eq!(first, second);
        assert_eq!(latch.check(), Err(first.clone()));
        assert_eq!(
            first.to_string(),
            "log directory /data has failed and is out of service: cannot sync /data/a: first"
        );
    }
}
