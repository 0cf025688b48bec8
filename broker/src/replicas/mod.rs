//! [`Replicas`]: the partition replicas of this broker.
//!
//! Opens them at the start, finds them for every request, serves followers, keeps the directory's
//! checkpoints, and ends them in order. What to do with each is for the metadata to say; that is
//! carried here by `assignments`.
//!
//! A log that is damaged or gone is reported to the controllers and begun anew once nobody counts
//! on it; what is left of it is kept (P-CORRUPT). A log that nobody asks for is set aside, never deleted (P-TOMBSTONE); one whose deletion is
//! committed is renamed at once and removed in the background.

mod by_time;
mod checkpoints;
mod client;
mod condemn;
mod confirm;
mod counts;
mod create;
mod damage;
mod data_dirs;
mod delete;
mod dir_statuses;
mod failure;
mod fetch;
mod found_logs;
mod not_made;
mod open_all;
mod open_one;
mod out_of_service;
mod progress;
mod quarantine;
mod questions;
mod report;
mod resign;
mod room_watch;
mod searches;
mod shutdown;
mod table;
mod unassigned;
mod unopened;

use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, watch};
use tokio_util::task::TaskTracker;
use trimaran_api::controller::TopicStatus;
use trimaran_types::{DirectoryId, TopicIdPartition};

use crate::codec_work::CodecWork;
use crate::context::BrokerContext;
use crate::isr_changes::IsrChanges;
use crate::partition::{AppendBudget, Clock};
use crate::session::DamageReport;

pub(crate) use condemn::Suspected;
pub use create::CreateError;
pub use data_dirs::{DataDir, DataDirStatus, DataDirs};
pub use open_all::OpenAllError;
pub use progress::{OpenProgress, OpenReport};
pub use table::ReplicaTable;

/// The replicas of this broker, and what they share.
#[derive(Debug)]
pub struct Replicas {
    pub(super) context: BrokerContext,
    pub(super) dirs: DataDirs,
    pub(super) table: Arc<ReplicaTable>,
    pub(super) isr_changes: IsrChanges,
    pub(super) budget: AppendBudget,
    /// Where leaders open batches that they must look into.
    pub(super) codecs: CodecWork,
    pub(super) clock: Clock,
    /// One token for each append that is not answered yet; closed when this broker resigns.
    pub(super) appends: TaskTracker,
    failed_dirs: watch::Sender<Vec<DirectoryId>>,
    progress: watch::Sender<OpenProgress>,
    /// Logs of one directory that are opened at once.
    opened_at_once: usize,
    suspects: condemn::Suspects,
    damage_found: Notify,
    reports: watch::Sender<Arc<DamageReport>>,
    counts: counts::Counts,
    /// Whether this broker leads, asked of the controllers.
    questions: questions::Questions<Option<TopicStatus>>,
    not_made: not_made::NotMade,
    /// Where logs are searched by time.
    searches: searches::Searches,
    unopened: unopened::Unopened,
    /// Replicas that have lacked room for long, as the next report tells.
    lacking_for_long: Mutex<Vec<TopicIdPartition>>,
}

impl Replicas {
    /// Over the directories `dirs`; no replica is open yet. Of each directory, `opened_at_once` logs
    /// will be opened at the same time.
    #[must_use]
    pub fn new(context: BrokerContext, dirs: DataDirs, opened_at_once: usize) -> Arc<Self> {
        let budget = AppendBudget::new(context.replication.append_bytes_max);
        Arc::new(Self {
            context,
            dirs,
            table: Arc::new(ReplicaTable::default()),
            isr_changes: IsrChanges::new(),
            budget,
            codecs: CodecWork::default(),
            clock: Clock::start(),
            appends: TaskTracker::new(),
            failed_dirs: watch::Sender::new(Vec::new()),
            progress: watch::Sender::new(OpenProgress::default()),
            opened_at_once: opened_at_once.max(1),
            suspects: condemn::Suspects::default(),
            damage_found: Notify::new(),
            reports: watch::Sender::new(Arc::default()),
            counts: counts::Counts::default(),
            questions: questions::Questions::default(),
            not_made: not_made::NotMade::default(),
            searches: searches::Searches::default(),
            unopened: unopened::Unopened::default(),
            lacking_for_long: Mutex::default(),
        })
    }

    /// The open replicas.
    #[must_use]
    pub const fn table(&self) -> &Arc<ReplicaTable> {
        &self.table
    }

    /// The log directories.
    #[must_use]
    pub const fn dirs(&self) -> &DataDirs {
        &self.dirs
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

    /// The log directories that have failed, for good: heartbeats report them.
    #[must_use]
    pub fn failed_dirs(&self) -> watch::Receiver<Vec<DirectoryId>> {
        self.failed_dirs.subscribe()
    }

    /// Bytes of appends that wait for their acknowledgement.
    #[must_use]
    pub fn waiting_append_bytes(&self) -> usize {
        self.budget.used_bytes()
    }
}

#[cfg(test)]
mod replicas_test;
