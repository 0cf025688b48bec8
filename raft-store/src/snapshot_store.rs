//! [`SnapshotStore`]: keeps one current snapshot, and replaces it in one step.
//!
//! New bytes are stored beside the old ones. One synced write then moves the pointer; the old
//! bytes are removed after it. Whatever step a crash interrupts, the pointer names a whole
//! snapshot: the old one or the new one. Leftovers are removed at the next open.

use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::app_codec::AppCodec;
use crate::fault::{StoreFault, WriteError};
use crate::shared::Shared;
use crate::snapshot_body::SnapshotBody;
use crate::snapshot_writer::SnapshotWriter;
use crate::stored_types::{StoredMeta, StoredTypes};
use crate::write_op::WriteOp;

/// The snapshot that a restart would find.
pub struct CurrentSnapshot<C: StoredTypes> {
    /// What it covers.
    pub meta: StoredMeta<C>,
    /// Its bytes.
    pub body: SnapshotBody,
}

impl<C: StoredTypes> Clone for CurrentSnapshot<C> {
    fn clone(&self) -> Self {
        Self {
            meta: self.meta.clone(),
            body: self.body.clone(),
        }
    }
}

/// The snapshots of one raft node. Cheap to clone.
pub struct SnapshotStore<C: StoredTypes, K> {
    shared: Arc<Shared<C>>,
    codec: PhantomData<fn() -> K>,
}

impl<C: StoredTypes, K> Clone for SnapshotStore<C, K> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            codec: PhantomData,
        }
    }
}

impl<C: StoredTypes, K: AppCodec<C>> SnapshotStore<C, K> {
    pub(crate) fn new(shared: Arc<Shared<C>>) -> Self {
        Self {
            shared,
            codec: PhantomData,
        }
    }

    /// The current snapshot, if there is any.
    #[must_use]
    pub fn current(&self) -> Option<CurrentSnapshot<C>> {
        self.shared.snapshot().clone()
    }

    /// Starts a new snapshot beside the current one.
    #[must_use]
    pub fn writer(&self) -> SnapshotWriter<C> {
        let sequence = self.shared.next_snapshot.fetch_add(1, Ordering::AcqRel);
        SnapshotWriter::new(Arc::clone(&self.shared), sequence)
    }

    /// Judges what a leader's snapshot covers before it is taken in.
    ///
    /// # Errors
    /// When it is of another history than what is committed here. That is final: the store is
    /// latched, and the process should end.
    pub fn check_history(&self, meta: &StoredMeta<C>) -> Result<(), WriteError> {
        match self.shared.log().contradicted_by_snapshot(meta.last_log_id) {
            Some(fault) => Err(WriteError::Fault(self.shared.progress.latch(fault))),
            None => Ok(()),
        }
    }

    /// The application's state is not the leader's: nothing more may be taken in. That is final: the
    /// store is latched, and the process should end.
    #[must_use]
    pub fn diverged(&self, cause: String) -> WriteError {
        WriteError::Fault(self.shared.progress.latch(StoreFault::Diverged(cause)))
    }

    /// Makes `body`, which covers `meta`, the current snapshot; durable when this returns. The
    /// current one again is fine and changes nothing.
    ///
    /// # Errors
    /// `Superseded` when the current snapshot covers more; else when the store has failed or is
    /// closed.
    pub async fn switch_to(
        &self,
        meta: &StoredMeta<C>,
        body: &SnapshotBody,
    ) -> Result<(), io::Error> {
        let pointer = body.pointer;
        if self
            .current()
            .is_some_and(|current| current.body.pointer == pointer)
        {
            return Ok(());
        }
        let value = pointer.encode::<C, K>(meta).map_err(io::Error::other)?;
        let covers = meta.last_log_id;
        let current = CurrentSnapshot {
            meta: meta.clone(),
            body: SnapshotBody {
                pointer,
                database: body.database.clone(),
                guard: None,
            },
        };
        let shared = Arc::clone(&self.shared);
        let guard = body.guard.clone();
        self.shared
            .carry_out(|done| WriteOp::SnapshotSwitch {
                value,
                sequence: pointer.sequence,
                covers,
                // Runs on the writer, in the order of the switches, so that the last one wins in
                // memory as it does on the disk.
                done: Box::new(move |result: Result<(), WriteError>| {
                    if result.is_ok() {
                        *shared.snapshot() = Some(current);
                        if let Some(guard) = guard {
                            guard.switched.store(true, Ordering::Release);
                        }
                    }
                    done(result);
                }),
            })
            .await?;
        Ok(())
    }

    /// Stores `bytes` as a snapshot that covers `meta` and switches to it.
    ///
    /// # Errors
    /// As [`Self::switch_to`].
    pub async fn save(
        &self,
        meta: &StoredMeta<C>,
        bytes: &[u8],
    ) -> Result<SnapshotBody, io::Error> {
        let mut writer = self.writer();
        writer.write(bytes).await?;
        let body = writer.finish().await?;
        self.switch_to(meta, &body).await?;
        Ok(body)
    }
}
