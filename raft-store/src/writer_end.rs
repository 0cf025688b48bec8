//! [`WriterEnd`]: waits for the writer thread when the last handle of a store is dropped.
//!
//! The writer closes the database. A process that ends while it does tears the database's own
//! threads apart under it, and is aborted.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;

/// How long a drop waits. Staged snapshots that are still held keep the writer going.
const WAIT: Duration = Duration::from_secs(5);

pub(crate) struct WriterEnd {
    thread: ThreadId,
    ended: Mutex<Receiver<()>>,
}

impl WriterEnd {
    /// The writer keeps the sender until it has ended.
    pub(crate) fn channel() -> (Sender<()>, Receiver<()>) {
        channel()
    }

    pub(crate) fn new(thread: ThreadId, ended: Receiver<()>) -> Self {
        Self {
            thread,
            ended: Mutex::new(ended),
        }
    }
}

impl Drop for WriterEnd {
    fn drop(&mut self) {
        // The writer may hold the last handle itself, in a callback.
        if std::thread::current().id() == self.thread {
            return;
        }
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(WAIT) == Err(RecvTimeoutError::Timeout) {
            tracing::debug!("the raft store is still being closed");
        }
    }
}
