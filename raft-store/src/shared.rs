//! [`Shared`]: what the writer thread, the log and the readers have in common.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, mpsc, watch};

use crate::database::DatabaseHandle;
use crate::fault::{StoreFault, WriteError};
use crate::log_view::LogView;
use crate::options::StoreOptions;
use crate::snapshot_store::CurrentSnapshot;
use crate::stored_types::{StoredEntry, StoredLogId, StoredTypes, StoredVote};
use crate::write_op::WriteOp;
use crate::writer_end::WriterEnd;

/// Operations that may wait for the writer.
pub(crate) const QUEUE_LENGTH_MAX: usize = 256;

/// The latch of the first fault, and how far the writer has come.
pub(crate) struct Progress {
    fault: watch::Sender<Option<Arc<StoreFault>>>,
    written: AtomicU64,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            fault: watch::Sender::new(None),
            written: AtomicU64::new(0),
        }
    }

    /// Keeps the first fault; later ones follow from it.
    pub(crate) fn latch(&self, fault: StoreFault) -> Arc<StoreFault> {
        let mut latched = None;
        self.fault.send_if_modified(|current| {
            if let Some(first) = current {
                latched = Some(Arc::clone(first));
                return false;
            }
            tracing::error!(%fault, "the raft store is latched as failed");
            let fault = Arc::new(fault);
            latched = Some(Arc::clone(&fault));
            *current = Some(fault);
            true
        });
        latched.expect("both branches set it")
    }

    pub(crate) fn check(&self) -> Result<(), WriteError> {
        match &*self.fault.borrow() {
            Some(fault) => Err(WriteError::Fault(Arc::clone(fault))),
            None => Ok(()),
        }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Option<Arc<StoreFault>>> {
        self.fault.subscribe()
    }

    pub(crate) fn set_written(&self, write: u64) {
        self.written.fetch_max(write, Ordering::AcqRel);
    }

    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }
}

/// The log's state in memory.
pub(crate) struct LogMemory<C: StoredTypes> {
    pub(crate) view: LogView<StoredEntry<C>>,
    pub(crate) vote: Option<StoredVote>,
    pub(crate) committed: Option<StoredLogId>,
    /// Number of the last append handed to the writer.
    pub(crate) last_write: u64,
}

impl<C: StoredTypes> LogMemory<C> {
    /// The fault that it would be to drop what comes after `keep`: entries that are committed stay.
    pub(crate) fn contradicted_by_cut(&self, keep: Option<StoredLogId>) -> Option<StoreFault> {
        let (index, committed) = (self.view.first_cut(keep)?, self.committed?.index);
        (index <= committed).then_some(StoreFault::Contradicted { index, committed })
    }

    /// The fault that it would be to take a snapshot that ends with `last`: a later leader's that
    /// ends at or before what is committed here is of another history.
    pub(crate) fn contradicted_by_snapshot(&self, last: Option<StoredLogId>) -> Option<StoreFault> {
        let (last, committed) = (last?, self.committed?);
        (last > committed && last.index <= committed.index).then_some(StoreFault::Contradicted {
            index: last.index,
            committed: committed.index,
        })
    }
}

pub(crate) struct Shared<C: StoredTypes> {
    pub(crate) database: DatabaseHandle,
    pub(crate) progress: Arc<Progress>,
    pub(crate) ops: mpsc::Sender<WriteOp>,
    pub(crate) budget: Arc<Semaphore>,
    pub(crate) options: StoreOptions,
    pub(crate) log: Mutex<LogMemory<C>>,
    pub(crate) snapshot: Mutex<Option<CurrentSnapshot<C>>>,
    pub(crate) next_snapshot: AtomicU64,
    /// Last, so that the queue is closed before the wait for the writer begins.
    pub(crate) _writer_end: WriterEnd,
}

impl<C: StoredTypes> Shared<C> {
    pub(crate) fn log(&self) -> MutexGuard<'_, LogMemory<C>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn snapshot(&self) -> MutexGuard<'_, Option<CurrentSnapshot<C>>> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place in the writer's queue.
    pub(crate) async fn reserve(&self) -> Result<mpsc::Permit<'_, WriteOp>, WriteError> {
        self.progress.check()?;
        self.ops.reserve().await.map_err(|_| WriteError::Closed)
    }

    /// Hands an operation to the writer and waits until it is done.
    pub(crate) async fn carry_out(
        &self,
        op: impl FnOnce(crate::write_op::Done) -> WriteOp,
    ) -> Result<(), WriteError> {
        let permit = self.reserve().await?;
        let (sender, receiver) = tokio::sync::oneshot::channel();
        permit.send(op(Box::new(move |result| {
            // A caller that went away needs no answer.
            drop(sender.send(result));
        })));
        receiver.await.unwrap_or(Err(WriteError::Closed))
    }
}
