//! [`LogReader`]: reads beside the owner, from memory where the newest batches are, else from the
//! files.
//!
//! Every batch read from a file is verified before it is handed out (promise P-CORRUPT): by
//! checksum, by its place, and by what lies behind it, since no checksum covers its offset. Indexes
//! are only a hint: an entry is checked against its batch, and when it lies the segment is walked
//! from its start.

mod batches;
mod by_timestamp;
mod find;
mod from_file;
mod index_claim;
mod max_timestamp;
mod scrub;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use rustix::io::Errno;
use trimaran_types::Offset;
use trimaran_types::limits::REPLICA_FETCH_BYTES_MAX;

use crate::aborted::{AbortedTransaction, aborted_between};
use crate::damage::Damage;
use crate::shared::Shared;
use crate::tail;

pub(crate) use find::{end_before, find_batch};
pub(crate) use index_claim::is_true;
pub use scrub::{FinishedSegment, ScrubPlace, Scrubbed};

/// How often a read starts again because the log was truncated meanwhile.
const ATTEMPTS_MAX: u32 = 100;

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The offset is below the log's start or beyond its end.
    #[error("offset {offset} is out of range, the log has {log_start} to {log_end}")]
    OutOfRange {
        /// The offset asked for.
        offset: Offset,
        /// First offset of the log.
        log_start: Offset,
        /// First offset after the log.
        log_end: Offset,
    },
    /// Bytes that were written well are damaged now.
    #[error("{} is corrupt at position {position}, offset {offset}: {cause}", file.display())]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// Where in the file.
        position: u64,
        /// The offset that was expected there.
        offset: Offset,
        /// What is wrong.
        cause: Damage,
    },
    /// A batch is as it was written, and its records are not what its header says.
    #[error("records at offset {offset} cannot be read: {cause}")]
    Records {
        /// The batch's first offset.
        offset: Offset,
        /// What is wrong.
        cause: Damage,
    },
    /// The system refused.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The log was truncated over and over while it was read.
    #[error("log is being truncated")]
    Truncating,
}

impl ReadError {
    /// Whether what was written is lost, and not merely out of reach for now: the replica is to be
    /// fetched again.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Corrupt { .. } => true,
            Self::Io { source, .. } => is_unreadable(source),
            Self::OutOfRange { .. } | Self::Records { .. } | Self::Truncating => false,
        }
    }
}

/// Whether a file that a log has is lost: the device cannot read it, or it is gone. No other file of
/// the directory is worse for it.
#[must_use]
pub fn is_unreadable(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::IO) || error.kind() == io::ErrorKind::NotFound
}

/// Reads one log. Cheap to clone; any number of readers may read at once.
#[derive(Debug, Clone)]
pub struct LogReader {
    pub(crate) shared: Arc<Shared>,
}

impl LogReader {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The first offset that can be read.
    #[must_use]
    pub fn log_start(&self) -> Offset {
        self.shared.read().log_start
    }

    /// The first offset after the log.
    #[must_use]
    pub fn log_end(&self) -> Offset {
        self.shared.read().log_end
    }

    /// The aborted transactions that have records, or their marker, at or after `from` and before
    /// `before`, in the order of their markers. A reader of committed records skips what these
    /// producers wrote in between.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn aborted_transactions(
        &self,
        from: Offset,
        before: Offset,
    ) -> Result<Vec<AbortedTransaction>, ReadError> {
        aborted_between(&self.shared, from, before)
    }

    /// Reads whole batches, the first being the one that holds `from`, so that it may start
    /// before it. All of them end at or before `before`. At most `bytes_max` bytes, but always one
    /// batch if there is one; fewer than there are at the caller's and this log's convenience.
    /// Empty means that there is none yet.
    ///
    /// # Errors
    /// See [`ReadError`]; reading at the log's end is none.
    pub fn read(&self, from: Offset, before: Offset, bytes_max: usize) -> Result<Bytes, ReadError> {
        let bytes_max = bytes_max.min(REPLICA_FETCH_BYTES_MAX);
        for _ in 0..ATTEMPTS_MAX {
            let (generation, end, chunks) = {
                let state = self.shared.read();
                let (log_start, log_end) = (state.log_start, state.log_end);
                if from < log_start || from > log_end {
                    return Err(ReadError::OutOfRange {
                        offset: from,
                        log_start,
                        log_end,
                    });
                }
                let end = before.min(log_end);
                if from >= end {
                    return Ok(Bytes::new());
                }
                (
                    state.generation,
                    end,
                    state.tail.chunks_from(from, bytes_max),
                )
            };
            if let Some(chunks) = chunks {
                return Ok(tail::cut(&chunks, from, end, bytes_max));
            }
            let result = from_file::read(&self.shared, from, end, bytes_max);
            if self.shared.read().generation == generation {
                return result;
            }
        }
        Err(ReadError::Truncating)
    }
}
