//! [`LogScrub`]: the thread that looks for bit rot in this broker's logs.
//!
//! Most damage sits in records that nobody reads, and is met when it is needed. So every finished
//! segment is read again once in an interval, slowly, and damage is found while the other replicas are
//! still well: the replica is condemned as if a reader had met the damage (promise P-CORRUPT).
//!
//! It starts when the logs are open, so it never runs beside a recovery. A broker's only way to lose by
//! it is a false alarm; what speaks against one is said in `commit-log/reader/scrub` and at
//! `Replicas::suspect`.

mod config;
mod order;
mod pace;
mod stats;
mod tour;
mod worker;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use trimaran_types::TopicIdPartition;

pub use config::LogScrubConfig;
pub use stats::ScrubStats;

use crate::partition::PartitionHandle;
use crate::replicas::Replicas;

/// The thread that looks through the logs.
#[derive(Debug)]
pub struct LogScrub {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    replicas: Arc<Replicas>,
    config: LogScrubConfig,
    first_after: Duration,
    /// What chance decides follows from it.
    seed: u64,
    is_stopping: Mutex<bool>,
    stopped: Condvar,
    /// Damaged, and the last in sync; each a replica of this broker.
    kept: Mutex<HashMap<TopicIdPartition, PartitionHandle>>,
    stats: ScrubStats,
}

impl LogScrub {
    /// Starts the thread, unless `config` switches it off. The first look comes after `first_after`.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(
        replicas: Arc<Replicas>,
        config: LogScrubConfig,
        first_after: Duration,
        seed: u64,
    ) -> io::Result<Arc<Self>> {
        let is_on = config.bytes_per_second_max > 0;
        let shared = Arc::new(Shared {
            replicas,
            config,
            first_after,
            seed,
            is_stopping: Mutex::new(false),
            stopped: Condvar::new(),
            kept: Mutex::default(),
            stats: ScrubStats::new(Instant::now()),
        });
        let spawn = || {
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new().name("log-scrub".to_owned());
            thread.spawn(move || shared.work())
        };
        let thread = is_on.then(spawn).transpose()?;
        Ok(Arc::new(Self {
            shared,
            thread: Mutex::new(thread),
        }))
    }

    /// Ends the thread, within one read. Blocks until it has ended.
    pub fn stop(&self) {
        let is_stopping = self.shared.is_stopping.lock();
        *is_stopping.unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.stopped.notify_all();
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the scrub's thread panicked");
        }
    }

    /// What has been done so far.
    #[must_use]
    pub fn stats(&self) -> &ScrubStats {
        &self.shared.stats
    }
}

impl Shared {
    /// Waits; `false` when it is time to stop.
    fn wait(&self, time: Duration) -> bool {
        let is_stopping = self.is_stopping.lock();
        let is_stopping = is_stopping.unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .stopped
            .wait_timeout_while(is_stopping, time, |is_stopping| !*is_stopping);
        let (is_stopping, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !*is_stopping
    }
}
