//! [`CleanError`]: why a pass ended early. What it had swapped in stays; the rest is as it was.

use std::io;
use std::path::{Path, PathBuf};

use trimaran_types::Offset;
use trimaran_types::record_batch::{BatchError, BatchTooLarge};

use crate::change_error::ChangeError;
use crate::compression::{CompressError, DecompressError};
use crate::damage::Damage;
use crate::latch::{DirFailed, DirLatch};
use crate::log::{ReplaceError, is_exhausted};
use crate::reader::ReadError;

/// Why a pass ended early.
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    /// It was asked to, or the log has ended, or another pass is at it.
    #[error("cleaning was stopped")]
    Stopped,
    /// The log was cut, or lost segments, since it was planned: plan again.
    #[error("the log has changed since it was planned")]
    Changed,
    /// The directory is out of service, perhaps since this pass.
    #[error(transparent)]
    DirFailed(#[from] DirFailed),
    /// No room is left on the disk, or no descriptor; a later pass may succeed.
    #[error("no room is left to write {}: {cause}", path.display())]
    NoRoom {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        cause: String,
    },
    /// A segment cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A segment is damaged.
    #[error("{} is corrupt at position {position}, offset {offset}: {cause}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where in the file.
        position: u64,
        /// The offset that was expected there.
        offset: Offset,
        /// What is wrong.
        cause: Damage,
    },
    /// The records of a batch cannot be read, or those that stay not be written again.
    #[error("the batch at offset {offset} of {} cannot be cleaned: {cause}", path.display())]
    Records {
        /// The file.
        path: PathBuf,
        /// Its base offset.
        offset: Offset,
        /// What is wrong.
        cause: RecordsError,
    },
}

/// Why the records of a batch cannot be read, or those that stay not be written again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordsError {
    /// A record makes no sense.
    #[error(transparent)]
    Malformed(#[from] BatchError),
    /// They cannot be decompressed.
    #[error(transparent)]
    Compressed(#[from] DecompressError),
    /// Those that stay, compressed by our codec, are larger than a batch may be.
    #[error("what stays of it: {0}")]
    TooLarge(#[from] BatchTooLarge),
    /// Those that stay cannot be compressed now.
    #[error(transparent)]
    Codec(#[from] CompressError),
}

impl CleanError {
    /// Whether another try would end the same way, until someone looks at the log.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        match self {
            // A system that has run out of descriptors may have some again later.
            Self::Read { source, .. } => !is_exhausted(source),
            Self::Records {
                cause: RecordsError::Codec(_),
                ..
            } => false,
            Self::Corrupt { .. } | Self::Records { .. } => true,
            Self::Stopped | Self::Changed | Self::DirFailed(_) | Self::NoRoom { .. } => false,
        }
    }

    /// Whether bytes are lost, and not merely out of reach for now: they are not what was written, the
    /// device cannot read them, or the file is gone.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        const EIO: i32 = 5;
        match self {
            Self::Corrupt { .. } => true,
            Self::Read { source, .. } => {
                source.raw_os_error() == Some(EIO) || source.kind() == io::ErrorKind::NotFound
            }
            _ => false,
        }
    }

    /// The file in which it lies, when it is one that lasts.
    pub(super) const fn damaged_file(&self) -> Option<&PathBuf> {
        match self {
            Self::Read { path, .. } | Self::Corrupt { path, .. } | Self::Records { path, .. } => {
                Some(path)
            }
            _ => None,
        }
    }

    /// A write or sync that failed: want of room or descriptors for a write ends the pass, anything
    /// else the directory.
    pub(super) fn of_write(latch: &DirLatch, path: &Path, error: impl Into<ChangeError>) -> Self {
        let error = error.into();
        match latch.refused("write", path, &error) {
            Ok(()) => Self::NoRoom {
                path: path.to_owned(),
                cause: error.to_string(),
            },
            Err(failed) => failed.into(),
        }
    }
}

impl From<ReadError> for CleanError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io { path, source } => Self::Read { path, source },
            ReadError::Corrupt {
                file,
                position,
                offset,
                cause,
            } => Self::Corrupt {
                path: file,
                position,
                offset,
                cause,
            },
            ReadError::OutOfRange { .. } | ReadError::Records { .. } | ReadError::Truncating => {
                Self::Changed
            }
        }
    }
}

impl From<ReplaceError> for CleanError {
    fn from(error: ReplaceError) -> Self {
        match error {
            ReplaceError::DirFailed(failed) => Self::DirFailed(failed),
            ReplaceError::NoDescriptor { dir, cause } => Self::NoRoom { path: dir, cause },
            ReplaceError::Changed => Self::Changed,
        }
    }
}
