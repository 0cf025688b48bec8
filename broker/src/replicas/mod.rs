//! [`Replicas`]: the partition replicas of this broker.
//!
//! Opens them at the start, finds them for every request, serves followers, keeps the directory's
//! checkpoints, and ends them in order. What to do with each is for the metadata to say; that is
//! carried here by `assignments`.
//!
//! A log that is damaged or gone is reported to the controllers and begun anew once nobody counts
//! on it; what is left of it is kept (P-CORRUPT). A log that nobody asks for is set aside, never deleted (P-TOMBSTONE); one whose deletion is
//! committed is renamed at once and removed in the background.

mod checkpoints;
mod client;
mod condemn;
mod confirm;
mod counts;
mod create;
mod damage;
mod delete;
mod failure;
mod fetch;
mod open_all;
mod out_of_service;
mod progress;
mod quarantine;
mod report;
mod resign;
mod shutdown;
mod table;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, watch};
use tokio_util::task::TaskTracker;
use trimaran_commit_log::{FLUSH_REQUESTS_MAX_DEFAULT, FLUSH_THREADS_DEFAULT, Flusher, LogDir};
use trimaran_types::{Offset, TopicPartition};

use crate::context::BrokerContext;
use crate::isr_changes::IsrChanges;
use crate::partition::{AppendBudget, Clock};
use crate::session::DamageReport;

pub use create::CreateError;
pub use open_all::OpenAllError;
pub use progress::{OpenProgress, OpenReport};
pub use table::ReplicaTable;

/// The replicas of this broker, and what they share.
#[derive(Debug)]
pub struct Replicas {
    pub(super) context: BrokerContext,
    pub(super) dir: LogDir,
    pub(super) flusher: Arc<Flusher>,
    pub(super) table: Arc<ReplicaTable>,
    pub(super) isr_changes: IsrChanges,
    pub(super) budget: Arc<AppendBudget>,
    pub(super) clock: Clock,
    /// One token for each append that is not answered yet; closed when this broker resigns.
    pub(super) appends: TaskTracker,
    dir_failed: watch::Sender<bool>,
    progress: watch::Sender<OpenProgress>,
    suspects: condemn::Suspects,
    damage_found: Notify,
    reports: watch::Sender<Arc<DamageReport>>,
    counts: counts::Counts,
    /// What the high watermark checkpoint holds.
    checkpointed: Mutex<BTreeMap<TopicPartition, Offset>>,
}

impl Replicas {
    /// Over the locked directory `dir`; no replica is open yet.
    ///
    /// # Errors
    /// The flusher's threads cannot be started.
    pub fn new(context: BrokerContext, dir: LogDir) -> std::io::Result<Arc<Self>> {
        let latch = Arc::clone(&dir.context().latch);
        let flusher = Flusher::start(latch, FLUSH_THREADS_DEFAULT, FLUSH_REQUESTS_MAX_DEFAULT)?;
        let budget = AppendBudget::new(context.replication.append_bytes_max);
        Ok(Arc::new(Self {
            context,
            dir,
            flusher: Arc::new(flusher),
            table: Arc::new(ReplicaTable::default()),
            isr_changes: IsrChanges::new(),
            budget,
            clock: Clock::start(),
            appends: TaskTracker::new(),
            dir_failed: watch::Sender::new(false),
            progress: watch::Sender::new(OpenProgress::default()),
            suspects: condemn::Suspects::default(),
            damage_found: Notify::new(),
            reports: watch::Sender::new(Arc::default()),
            counts: counts::Counts::default(),
            checkpointed: Mutex::new(BTreeMap::new()),
        }))
    }

    /// The open replicas.
    #[must_use]
    pub const fn table(&self) -> &Arc<ReplicaTable> {
        &self.table
    }

    /// The data directory.
    #[must_use]
    pub const fn dir(&self) -> &LogDir {
        &self.dir
    }

    /// Where the leaders' ISR changes gather.
    #[must_use]
    pub const fn isr_changes(&self) -> &IsrChanges {
        &self.isr_changes
    }

    /// What the replicas share with the rest of the broker.
    #[must_use]
    pub const fn context(&self) -> &BrokerContext {
        &self.context
    }

    /// How far the opening at the start has come.
    #[must_use]
    pub fn open_progress(&self) -> watch::Receiver<OpenProgress> {
        self.progress.subscribe()
    }

    /// Turns true, for good, when the log directory has failed: heartbeats report it.
    #[must_use]
    pub fn dir_failed(&self) -> watch::Receiver<bool> {
        self.dir_failed.subscribe()
    }

    /// Bytes of appends that wait for their acknowledgement.
    #[must_use]
    pub fn waiting_append_bytes(&self) -> usize {
        self.budget.used_bytes()
    }
}

#[cfg(test)]
mod replicas_test;
