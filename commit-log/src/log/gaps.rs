//! Gaps between offsets: allowed once and for all, on disk before the first of them can appear.
//!
//! A log without the mark is dense, so that a batch or segment that is missing is seen as damage.
//! The mark outlives the setting: a topic that is compacted no more still has its gaps.

use std::io;
use std::path::Path;

use super::Log;
use super::append::AppendError;
use super::checkpoint::CloseError;
use crate::atomic_file;
use crate::change_error::ChangeError;
use crate::context::LogContext;
use crate::disk::OpenHow;
use crate::names::GAPS_ALLOWED;

/// Leaves the mark in a log's directory, unless it is there.
pub(super) fn mark_gaps(context: &LogContext, dir: &Path) -> Result<(), ChangeError> {
    let path = dir.join(GAPS_ALLOWED);
    match context.disk.open(&path, OpenHow::Existing) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            atomic_file::replace(context.disk.as_ref(), &path, b"version: 0\n")
        }
        Err(error) => Err(error.into()),
    }
}

impl Log {
    /// Allows gaps in a log that was dense so far: its topic is compacted from now on. Blocks.
    ///
    /// # Errors
    /// The mark could not be made durable; the log is dense as before.
    pub fn allow_gaps(&mut self) -> Result<(), CloseError> {
        self.context().latch.check()?;
        if !self.config.compacted {
            mark_gaps(self.context(), self.dir()).map_err(|source| self.close_error(source))?;
            self.config.compacted = true;
            self.shared.allow_gaps();
        }
        Ok(())
    }

    /// The same because the leader has them, whatever the settings say now.
    pub(super) fn take_gaps_over(&mut self) -> Result<(), AppendError> {
        self.allow_gaps().map_err(|error| match error {
            CloseError::DirFailed(failed) => failed.into(),
            CloseError::Io { dir, source } => AppendError::NoRoom {
                dir,
                bytes: 0,
                disk_is_full: false,
                cause: source.to_string(),
            },
        })
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.shared.cleaning.close();
    }
}
