//! [`SnapshotBody`]: the bytes of one finished snapshot, read piece by piece.
//!
//! It may be the current snapshot, a newer one that nobody switched to yet, or one that was just
//! superseded: then its chunks may vanish, and reading says so. A reader starts again with the
//! current one.

use std::sync::Arc;

use crate::database::DatabaseHandle;
use crate::format::{self, FormatError, SnapshotPointer};

/// Why a snapshot could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotReadError {
    /// The store was closed.
    #[error("the raft store is closed")]
    Closed,
    /// The database refused.
    #[error("cannot read a snapshot: {0}")]
    Database(#[from] rocksdb::Error),
    /// A chunk is gone: a newer snapshot has taken its place, or the store is damaged.
    #[error("chunk {number} of snapshot {sequence} is gone")]
    Gone {
        /// Which snapshot.
        sequence: u64,
        /// Which chunk.
        number: u32,
    },
    /// A chunk is damaged.
    #[error("chunk {number} of snapshot {sequence} is damaged: {cause}")]
    Damaged {
        /// Which snapshot.
        sequence: u64,
        /// Which chunk.
        number: u32,
        /// What is wrong with it.
        cause: FormatError,
    },
    /// The whole is not what was written.
    #[error(
        "snapshot {sequence} has length {length} and checksum {checksum:08x}, not those it was written with"
    )]
    Mismatch {
        /// Which snapshot.
        sequence: u64,
        /// Bytes that were read.
        length: u64,
        /// Their sum.
        checksum: u32,
    },
    /// The reading thread was lost.
    #[error("the read was interrupted")]
    Interrupted,
}

/// The bytes of one finished snapshot. Cheap to clone; holds no bytes itself.
#[derive(Clone)]
pub struct SnapshotBody {
    pub(crate) pointer: SnapshotPointer,
    pub(crate) database: DatabaseHandle,
    pub(crate) guard: Option<Arc<StagedGuard>>,
}

/// Tells the store to forget a staged snapshot when nobody can switch to it any more.
pub(crate) struct StagedGuard {
    pub(crate) sequence: u64,
    pub(crate) ops: tokio::sync::mpsc::WeakSender<crate::write_op::WriteOp>,
    pub(crate) switched: std::sync::atomic::AtomicBool,
}

impl Drop for StagedGuard {
    fn drop(&mut self) {
        if !self.switched.load(std::sync::atomic::Ordering::Acquire)
            && let Some(ops) = self.ops.upgrade()
        {
            // When the queue is full the chunks stay until the next open removes them.
            drop(ops.try_send(crate::write_op::WriteOp::SnapshotForget {
                sequence: self.sequence,
            }));
        }
    }
}

impl std::fmt::Debug for SnapshotBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.pointer.fmt(f)
    }
}

impl SnapshotBody {
    /// Bytes in all.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.pointer.length
    }

    /// crc32c of all bytes.
    #[must_use]
    pub fn checksum(&self) -> u32 {
        self.pointer.checksum
    }

    /// How many chunks it has.
    #[must_use]
    pub fn chunks(&self) -> u32 {
        self.pointer.chunks
    }

    /// Chunk `number`, counted from 0, of at most 1 MiB.
    ///
    /// # Errors
    /// When the chunk is gone or damaged, or the store is closed.
    pub async fn chunk(&self, number: u32) -> Result<Vec<u8>, SnapshotReadError> {
        let body = self.clone();
        tokio::task::spawn_blocking(move || body.chunk_blocking(number))
            .await
            .unwrap_or(Err(SnapshotReadError::Interrupted))
    }

    /// [`Self::chunk`] for a caller that may block.
    ///
    /// # Errors
    /// As [`Self::chunk`].
    pub fn chunk_blocking(&self, number: u32) -> Result<Vec<u8>, SnapshotReadError> {
        let sequence = self.pointer.sequence;
        let gone = SnapshotReadError::Gone { sequence, number };
        if number >= self.pointer.chunks {
            return Err(gone);
        }
        let database = self.database.get().ok_or(SnapshotReadError::Closed)?;
        let key = format::snapshot_chunk_key(sequence, number);
        let value = database
            .db()
            .get_cf(database.snapshot(), key)?
            .ok_or(gone)?;
        match format::open(&key, &value) {
            Ok(bytes) => Ok(bytes.to_vec()),
            Err(cause) => Err(SnapshotReadError::Damaged {
                sequence,
                number,
                cause,
            }),
        }
    }

    /// All bytes, with length and checksum compared. For a caller that may block.
    ///
    /// # Errors
    /// As [`Self::chunk`], and when the whole is not what was written.
    pub fn read_all_blocking(&self) -> Result<Vec<u8>, SnapshotReadError> {
        let mut bytes = Vec::new();
        for number in 0..self.pointer.chunks {
            bytes.extend_from_slice(&self.chunk_blocking(number)?);
        }
        let (length, checksum) = (bytes.len() as u64, crc32c::crc32c(&bytes));
        if length != self.pointer.length || checksum != self.pointer.checksum {
            let sequence = self.pointer.sequence;
            return Err(SnapshotReadError::Mismatch {
                sequence,
                length,
                checksum,
            });
        }
        Ok(bytes)
    }

    /// [`Self::read_all_blocking`] on a blocking thread.
    ///
    /// # Errors
    /// As [`Self::read_all_blocking`].
    pub async fn read_all(&self) -> Result<Vec<u8>, SnapshotReadError> {
        let body = self.clone();
        tokio::task::spawn_blocking(move || body.read_all_blocking())
            .await
            .unwrap_or(Err(SnapshotReadError::Interrupted))
    }
}
