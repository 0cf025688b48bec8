//! [`RaftStore`]: opens a store, hands out its parts, closes it.

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use tokio::sync::{Semaphore, mpsc, watch};

use crate::app_codec::AppCodec;
use crate::database::{Database, DatabaseHandle, OpenError};
use crate::fault::{StoreFault, WriteError};
use crate::format::{
    self, META_COMMITTED, META_FORMAT, META_LAST_PURGED, META_SNAPSHOT, META_VOTE, SnapshotPointer,
    SyncedEnd,
};
use crate::log_store::{LogStore, budget_units};
use crate::log_view::LogView;
use crate::options::StoreOptions;
use crate::range::{INDEX_MAX, TERM_MAX};
use crate::shared::{LogMemory, Progress, QUEUE_LENGTH_MAX, Shared};
use crate::snapshot_body::SnapshotBody;
use crate::snapshot_store::{CurrentSnapshot, SnapshotStore};
use crate::stored_types::{StoredLogId, StoredTypes};
use crate::synced_end_note::SyncedEndNote;
use crate::write_op::WriteOp;
use crate::writer::Writer;
use crate::writer_end::WriterEnd;

use openraft::LogId;
use openraft::vote::leader_id_std::CommittedLeaderId;

/// One open store. Its parts stay usable until it is closed; the directory is locked meanwhile.
pub struct RaftStore<C: StoredTypes, K> {
    shared: Arc<Shared<C>>,
    codec: std::marker::PhantomData<fn() -> K>,
}

impl<C: StoredTypes, K> Clone for RaftStore<C, K> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            codec: std::marker::PhantomData,
        }
    }
}

impl<C: StoredTypes, K: AppCodec<C>> RaftStore<C, K> {
    /// Opens the store in `path`, or makes an empty one; a small file beside `path` belongs to it. Checks every entry of the log. Blocks.
    ///
    /// # Errors
    /// When another process has it open, or it is damaged, or holds less than was synced, or a newer
    /// build wrote it.
    pub fn open(path: &Path, options: StoreOptions) -> Result<Self, OpenError> {
        let database = Database::open(path)?;
        mark_format(&database)?;
        let log = recover_log::<C>(&database, &options)?;
        let pointer = match database.meta_value(META_SNAPSHOT)? {
            Some(value) => Some(
                SnapshotPointer::decode::<C, K>(&value)
                    .map_err(OpenError::format("the snapshot pointer"))?,
            ),
            None => None,
        };
        let current = pointer.as_ref().map(|(pointer, _)| pointer.sequence);
        let next_snapshot = remove_leftovers(&database, current)?;
        let found = SyncedEnd {
            last: log.view.last(),
            vote: log.vote,
        };
        let note = SyncedEndNote::open(path, found)?;

        let handle = DatabaseHandle::new(database);
        let progress = Arc::new(Progress::new());
        let (ops, receiver) = mpsc::channel(QUEUE_LENGTH_MAX);
        let writer = Writer {
            ops: receiver,
            database: handle.clone(),
            progress: Arc::clone(&progress),
            options: options.clone(),
            current: pointer
                .as_ref()
                .map(|(pointer, meta)| (pointer.sequence, meta.last_log_id)),
            superseded: Vec::new(),
            end: found,
            note,
        };
        let (ending, ended) = WriterEnd::channel();
        let thread = std::thread::Builder::new()
            .name("raft-store".to_owned())
            .spawn(move || {
                writer.run();
                drop(ending);
            })
            .map_err(OpenError::Thread)?;
        let snapshot = pointer.map(|(pointer, meta)| {
            let body = SnapshotBody {
                pointer,
                database: handle.clone(),
                guard: None,
            };
            CurrentSnapshot { meta, body }
        });
        let budget = Semaphore::new(budget_units(options.pending_bytes_max) as usize);
        let shared = Shared {
            database: handle,
            progress,
            ops,
            budget: Arc::new(budget),
            options,
            log: Mutex::new(log),
            snapshot: Mutex::new(snapshot),
            next_snapshot: AtomicU64::new(next_snapshot),
            _writer_end: WriterEnd::new(thread.thread().id(), ended),
        };
        Ok(Self {
            shared: Arc::new(shared),
            codec: std::marker::PhantomData,
        })
    }

    /// The log, for openraft.
    #[must_use]
    pub fn log(&self) -> LogStore<C, K> {
        LogStore::new(Arc::clone(&self.shared))
    }

    /// The snapshots.
    #[must_use]
    pub fn snapshots(&self) -> SnapshotStore<C, K> {
        SnapshotStore::new(Arc::clone(&self.shared))
    }

    /// Becomes `Some` once, when the store fails for the first time. The process should end then.
    #[must_use]
    pub fn fault(&self) -> watch::Receiver<Option<Arc<StoreFault>>> {
        self.shared.progress.watch()
    }

    /// Writes what waits, syncs, closes the database and frees its lock. Every later call fails.
    ///
    /// # Errors
    /// When the store has failed.
    pub async fn close(&self) -> Result<(), WriteError> {
        let Ok(permit) = self.shared.ops.reserve().await else {
            return Ok(());
        };
        let (sender, receiver) = tokio::sync::oneshot::channel();
        permit.send(WriteOp::Close {
            done: Box::new(move |result| drop(sender.send(result))),
        });
        // A second close finds the writer gone, which is what it wanted.
        receiver.await.unwrap_or(Ok(()))
    }
}

fn mark_format(database: &Database) -> Result<(), OpenError> {
    if let Some(value) = database.meta_value(META_FORMAT)? {
        format::open(META_FORMAT, &value).map_err(OpenError::format("the format marker"))?;
        return Ok(());
    }
    let mut is_empty = true;
    database.walk_log(0, None, |_, _| {
        is_empty = false;
        false
    })?;
    if !is_empty || database.meta_value(META_VOTE)?.is_some() {
        return Err(OpenError::Unmarked);
    }
    let mut options = rocksdb::WriteOptions::default();
    options.set_sync(true);
    let value = format::seal(META_FORMAT, &[]);
    database
        .db()
        .put_cf_opt(database.meta(), META_FORMAT, value, &options)?;
    Ok(())
}

fn recover_log<C: StoredTypes>(
    database: &Database,
    options: &StoreOptions,
) -> Result<LogMemory<C>, OpenError> {
    let vote = match database.meta_value(META_VOTE)? {
        Some(value) => {
            let body = format::open(META_VOTE, &value).map_err(OpenError::format("the vote"))?;
            Some(format::decode_vote(body).map_err(OpenError::format("the vote"))?)
        }
        None => None,
    };
    let committed = stored_log_id(database, META_COMMITTED)?;
    let last_purged = stored_log_id(database, META_LAST_PURGED)?;
    let (first, next, last) = scan_log(database, last_purged)?;
    check_range("the vote", vote.map(|vote| (vote.leader_id.term, 0)))?;
    for (what, log_id) in [
        ("the last entry", last),
        ("the last purged entry", last_purged),
        ("the committed entry", committed),
    ] {
        check_range(what, log_id.map(|id| (id.leader_id.term, id.index)))?;
    }
    let recent = options.recent_entries_bytes_max;
    let view = LogView::new(first, next, last_purged, last.or(last_purged), recent);
    Ok(LogMemory {
        view,
        vote,
        committed,
        last_write: 0,
    })
}

fn check_range(what: &'static str, found: Option<(u64, u64)>) -> Result<(), OpenError> {
    match found {
        Some((term, index)) if term > TERM_MAX || index > INDEX_MAX => {
            Err(OpenError::OutOfRange { what, term, index })
        }
        _ => Ok(()),
    }
}

fn stored_log_id(database: &Database, key: &[u8]) -> Result<Option<StoredLogId>, OpenError> {
    let name = String::from_utf8_lossy(key).into_owned();
    let Some(value) = database.meta_value(key)? else {
        return Ok(None);
    };
    format::open(key, &value)
        .and_then(format::decode_log_id)
        .map(Some)
        .map_err(OpenError::format(name))
}

/// Checks every entry and that none is missing; returns `[first, next)` and the last log id.
fn scan_log(
    database: &Database,
    last_purged: Option<StoredLogId>,
) -> Result<(u64, u64, Option<StoredLogId>), OpenError> {
    let start = last_purged.map_or(0, |log_id| log_id.index.saturating_add(1));
    let mut expected = last_purged.map(|_| start);
    let mut first = start;
    let mut last = None;
    let mut failure = None;
    database.walk_log(start, None, |index, value| {
        match expected {
            Some(expected) if expected != index => {
                failure = Some(OpenError::Hole {
                    expected,
                    found: index,
                });
                return false;
            }
            Some(_) => {}
            None => first = index,
        }
        match format::decode_entry_term(index, value) {
            Ok(term) => {
                last = Some(LogId {
                    leader_id: CommittedLeaderId::new(term),
                    index,
                })
            }
            Err(cause) => {
                failure = Some(OpenError::Format {
                    what: format!("entry {index}"),
                    cause,
                });
                return false;
            }
        }
        expected = Some(index.saturating_add(1));
        true
    })?;
    match failure {
        Some(failure) => Err(failure),
        None => Ok((
            first,
            last.map_or(first, |last| last.index.saturating_add(1)),
            last,
        )),
    }
}

/// Removes the chunks of every snapshot but the current one; returns the next free sequence.
fn remove_leftovers(database: &Database, current: Option<u64>) -> Result<u64, OpenError> {
    let sequences = database.snapshot_sequences()?;
    let mut batch = rocksdb::WriteBatch::default();
    for sequence in sequences
        .iter()
        .filter(|sequence| Some(**sequence) != current)
    {
        batch.delete_range_cf(
            database.snapshot(),
            format::snapshot_first_key(*sequence),
            format::snapshot_first_key(sequence.saturating_add(1)),
        );
    }
    database.db().write(batch)?;
    let highest = sequences.into_iter().chain(current).max();
    Ok(highest.map_or(1, |highest| highest.saturating_add(1)))
}
