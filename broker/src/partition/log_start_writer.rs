//! [`LogStartWriter`]: has the log starts of a directory written as soon as a replica asks, on a thread
//! that serves nobody; whoever asks while one write is under way shares the next.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use trimaran_commit_log::LogContext;

/// The writer of one directory. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LogStartWriter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    context: LogContext,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// One for each replica of the directory at most, which has one write in flight.
    waiting: Vec<oneshot::Sender<bool>>,
    is_writing: bool,
}

/// Held while somebody writes: a panic must leave nobody waiting.
struct Turn<'a>(&'a Inner);

impl LogStartWriter {
    /// Of the directory whose logs share `context`.
    #[must_use]
    pub fn new(context: LogContext) -> Self {
        let queue = Mutex::default();
        Self(Arc::new(Inner { context, queue }))
    }

    /// Has the starts written that the logs have noted so far; the answer says whether they are on
    /// the disk.
    pub(super) fn write(&self) -> oneshot::Receiver<bool> {
        let (reply, written) = oneshot::channel();
        let mut queue = self.0.lock();
        queue.waiting.push(reply);
        if !std::mem::replace(&mut queue.is_writing, true) {
            let inner = Arc::clone(&self.0);
            tokio::task::spawn_blocking(move || inner.write_until_nobody_waits());
        }
        written
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_until_nobody_waits(&self) {
        let _turn = Turn(self);
        loop {
            let mut queue = self.lock();
            if queue.waiting.is_empty() {
                queue.is_writing = false;
                return;
            }
            let waiting = std::mem::take(&mut queue.waiting);
            drop(queue);
            let written = self.context.write_log_starts();
            if let Err(error) = &written {
                tracing::error!(%error, "cannot write the log starts");
            }
            for reply in waiting {
                let _ = reply.send(written.is_ok());
            }
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut queue = self.0.lock();
            queue.waiting.clear();
            queue.is_writing = false;
        }
    }
}
