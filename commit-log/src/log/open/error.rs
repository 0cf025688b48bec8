//! [`OpenError`]: why a log cannot be opened.

use std::io;
use std::path::{Path, PathBuf};

use trimaran_types::{Offset, TopicId};

use crate::change_error::{ChangeError, sync_names};
use crate::config::InvalidLogConfig;
use crate::context::LogContext;
use crate::damage::Damage;
use crate::latch::DirFailed;
use crate::reader::ReadError;

/// Why a log cannot be opened. Nothing was cut from it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory is out of service.
    #[error(transparent)]
    DirFailed(#[from] DirFailed),
    /// A setting out of bounds.
    #[error(transparent)]
    Config(#[from] InvalidLogConfig),
    /// Bytes that were synced are damaged or gone. The replica must be fetched again.
    #[error("{} is corrupt at position {position}, offset {offset}: {cause}", file.display())]
    Corrupt {
        /// The file, or the directory.
        file: PathBuf,
        /// Where in the file the damage starts.
        position: u64,
        /// The offset that was expected there.
        offset: Offset,
        /// What is wrong.
        cause: Damage,
    },
    /// The directory is gone although records in it were synced.
    #[error("{} does not exist, but was synced up to offset {recovery_point}", dir.display())]
    Missing {
        /// The directory.
        dir: PathBuf,
        /// Up to where it was synced.
        recovery_point: Offset,
    },
    /// The directory belongs to another topic, one of the same name perhaps.
    #[error("{} belongs to topic id {found}, not to {expected}", dir.display())]
    OtherTopic {
        /// The directory.
        dir: PathBuf,
        /// The id in it.
        found: TopicId,
        /// The id that was asked for.
        expected: TopicId,
    },
    /// Something else lies where the directory belongs.
    #[error("{} is no directory", path.display())]
    NoDirectory {
        /// Where.
        path: PathBuf,
    },
    /// There are segments, but no readable note of the topic that they belong to.
    #[error("{} has segments but no readable topic id", dir.display())]
    TopicIdMissing {
        /// The directory.
        dir: PathBuf,
    },
    /// The system refused.
    #[error("cannot open the log in {}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Corrupt {
                file,
                position,
                offset,
                cause,
            } => Self::Corrupt {
                file,
                position,
                offset,
                cause,
            },
            ReadError::Io { path, source } => Self::Io { path, source },
            // None of these comes of a log whose records nobody reads and nobody cuts yet.
            ReadError::OutOfRange { .. } | ReadError::Records { .. } | ReadError::Truncating => {
                Self::Io {
                    path: PathBuf::new(),
                    source: io::Error::other(error.to_string()),
                }
            }
        }
    }
}

/// Names the path in an error of the system.
pub(in crate::log) fn at(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { path, source }
}

/// Names the path in an error of the system about a change to the directory, and ends the
/// directory unless it merely lacks room or descriptors.
pub(in crate::log) fn unchanged<'a, E: Into<ChangeError>>(
    context: &'a LogContext,
    path: &'a Path,
) -> impl FnOnce(E) -> OpenError + 'a {
    move |error| {
        let error = error.into();
        match context.latch.refused("open a log in", path, &error) {
            Ok(()) => at(path)(error.into_io()),
            Err(failed) => failed.into(),
        }
    }
}

/// Makes the names in a directory durable.
pub(in crate::log) fn sync_dir(context: &LogContext, dir: &Path) -> Result<(), ChangeError> {
    sync_names(context.open_dir(dir)?.as_ref())
}
