//! [`LogCleaner`]: the threads that compact this broker's logs.
//!
//! Each takes the filthiest log that is due, cleans it, and looks for the next; when none is due it
//! waits. Replicas clean their own logs, leaders and followers alike: offsets do not change, so
//! there is nothing to agree on. A log that cannot be cleaned now is left alone for a while, one that
//! never can from then on, and the others go on. Bytes that are damaged at two passes condemn the
//! replica. Segments are swapped in by the log's owner.

mod config;
mod pace;
mod queue;
mod stats;
mod topic;
mod worker;

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub use config::LogCleanerConfig;
pub use stats::CleanerStats;

use crate::replicas::Replicas;
use pace::Pace;
use queue::Queue;

/// The threads that compact logs, and what they share.
#[derive(Debug)]
pub struct LogCleaner {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    replicas: Arc<Replicas>,
    config: LogCleanerConfig,
    queue: Mutex<Queue>,
    changed: Condvar,
    pace: Mutex<Pace>,
    stats: CleanerStats,
}

impl LogCleaner {
    /// Starts the threads that `config` asks for.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(replicas: Arc<Replicas>, config: LogCleanerConfig) -> io::Result<Arc<Self>> {
        let shared = Arc::new(Shared {
            replicas,
            queue: Mutex::default(),
            changed: Condvar::new(),
            pace: Mutex::new(Pace::new(config.io_bytes_per_second_max)),
            stats: CleanerStats::default(),
            config,
        });
        let count = if shared.config.is_enabled {
            shared.config.threads
        } else {
            0
        };
        let threads = (0..count).map(|number| {
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new().name(format!("log-cleaner-{number}"));
            thread.spawn(move || shared.work())
        });
        let threads = threads.collect::<io::Result<Vec<_>>>()?;
        Ok(Arc::new(Self {
            shared,
            threads: Mutex::new(threads),
        }))
    }

    /// Ends the threads; a pass that is under way breaks off. Blocks until they have ended.
    pub fn stop(&self) {
        let busy = {
            let mut queue = self.shared.lock();
            queue.is_stopping = true;
            queue.busy()
        };
        self.shared.changed.notify_all();
        // A pass that begins only now sees the flag before its first pause.
        for handle in busy {
            handle.reader().interrupt_cleaning();
        }
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a cleaner thread panicked");
            }
        }
    }

    /// What has been done so far.
    #[must_use]
    pub fn stats(&self) -> &CleanerStats {
        &self.shared.stats
    }

    /// How many logs are left alone because they could not be cleaned.
    #[must_use]
    pub fn uncleanable(&self) -> usize {
        self.shared.lock().uncleanable()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits; `false` when it is time to stop.
    fn wait(&self, time: Duration) -> bool {
        let queue = self.lock();
        let waited = self
            .changed
            .wait_timeout_while(queue, time, |queue| !queue.is_stopping);
        let (queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !queue.is_stopping
    }
}
