//! [`SnapshotWriter`]: stores the bytes of a new snapshot beside the current one.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::fault::WriteError;
use crate::format::{self, SnapshotPointer};
use crate::shared::Shared;
use crate::snapshot_body::{SnapshotBody, StagedGuard};
use crate::stored_types::StoredTypes;
use crate::write_op::WriteOp;

/// Bytes of one chunk.
const CHUNK_BYTES: usize = 1024 * 1024;

/// Takes the bytes of a snapshot in pieces of any size. Until somebody switches to what
/// [`Self::finish`] returns, the current snapshot stays; dropped half-way, it leaves nothing.
pub struct SnapshotWriter<C: StoredTypes> {
    shared: Arc<Shared<C>>,
    guard: Arc<StagedGuard>,
    pointer: SnapshotPointer,
    pending: Vec<u8>,
}

impl<C: StoredTypes> SnapshotWriter<C> {
    pub(crate) fn new(shared: Arc<Shared<C>>, sequence: u64) -> Self {
        let ops = shared.ops.downgrade();
        let guard = StagedGuard {
            sequence,
            ops,
            switched: AtomicBool::new(false),
        };
        Self {
            shared,
            guard: Arc::new(guard),
            pointer: SnapshotPointer {
                sequence,
                length: 0,
                chunks: 0,
                checksum: 0,
            },
            pending: Vec::new(),
        }
    }

    /// Bytes taken so far.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.pointer
            .length
            .saturating_add(self.pending.len() as u64)
    }

    /// Takes more bytes; waits for the disk when a chunk is full.
    ///
    /// # Errors
    /// When the store has failed or is closed.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), WriteError> {
        while !bytes.is_empty() {
            let room = CHUNK_BYTES - self.pending.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.pending.extend_from_slice(now);
            bytes = later;
            if self.pending.len() == CHUNK_BYTES {
                self.store_chunk().await?;
            }
        }
        Ok(())
    }

    /// Stores what is left and returns the finished snapshot, not yet the current one.
    ///
    /// # Errors
    /// When the store has failed or is closed.
    pub async fn finish(mut self) -> Result<SnapshotBody, WriteError> {
        if !self.pending.is_empty() {
            self.store_chunk().await?;
        }
        Ok(SnapshotBody {
            pointer: self.pointer,
            database: self.shared.database.clone(),
            guard: Some(Arc::clone(&self.guard)),
        })
    }

    async fn store_chunk(&mut self) -> Result<(), WriteError> {
        let bytes = std::mem::take(&mut self.pending);
        let key = format::snapshot_chunk_key(self.pointer.sequence, self.pointer.chunks);
        let value = format::seal(&key, &bytes);
        self.shared
            .carry_out(|done| WriteOp::SnapshotChunk { key, value, done })
            .await?;
        self.pointer.checksum = crc32c::crc32c_append(self.pointer.checksum, &bytes);
        self.pointer.length = self.pointer.length.saturating_add(bytes.len() as u64);
        self.pointer.chunks = self.pointer.chunks.saturating_add(1);
        Ok(())
    }
}
