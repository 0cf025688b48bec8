//! The writer thread: the only place that writes to the database.
//!
//! It takes what waits, puts it into one batch in the order of the calls, writes it, syncs once if
//! anything in it must be synced, and completes the calls in the same order. So votes and appends
//! share one order, a crash keeps a prefix of it, and a purge can never be half done: its marker
//! and its deletion are one record of the write-ahead log.
//!
//! After the sync, before the calls are completed, it notes how far the store now reaches.
//!
//! The first error is latched. From then on nothing is written and every call fails with it.

use std::sync::Arc;
use std::time::Duration;

use rocksdb::{WriteBatch, WriteOptions};
use tokio::sync::mpsc;

use crate::database::{Database, DatabaseHandle};
use crate::fault::{StoreFault, WriteError};
use crate::format::SyncedEnd;
use crate::format::{self, META_COMMITTED, META_LAST_PURGED, META_SNAPSHOT, META_VOTE, log_key};
use crate::options::{Step, StoreOptions};
use crate::shared::Progress;
use crate::stored_types::StoredLogId;
use crate::synced_end_note::SyncedEndNote;
use crate::write_op::WriteOp;

/// A group stops growing here, so that a vote does not wait behind a long write.
const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;
const GROUP_OPS_MAX: usize = 256;

/// Up to this many entries are deleted one by one: a range tombstone slows every later iterator.
const POINT_DELETES_MAX: u64 = 64;

const NOTE: &str = "note what was synced";

/// How long a close waits for readers to let go of the database.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

pub(crate) struct Writer {
    pub(crate) ops: mpsc::Receiver<WriteOp>,
    pub(crate) database: DatabaseHandle,
    pub(crate) progress: Arc<Progress>,
    pub(crate) options: StoreOptions,
    /// Sequence of the current snapshot and what it covers.
    pub(crate) current: Option<(u64, Option<StoredLogId>)>,
    /// Snapshots to be removed after the next switch.
    pub(crate) superseded: Vec<u64>,
    /// How far the database reaches.
    pub(crate) end: SyncedEnd,
    pub(crate) note: SyncedEndNote,
}

impl Writer {
    /// Runs until the store is closed or every handle is dropped.
    pub(crate) fn run(mut self) {
        while let Some(first) = self.ops.blocking_recv() {
            let mut bytes = first.bytes();
            let mut group = vec![first];
            while bytes < GROUP_BYTES_MAX
                && group.len() < GROUP_OPS_MAX
                && !matches!(group.last(), Some(WriteOp::Close { .. }))
                && let Ok(next) = self.ops.try_recv()
            {
                bytes = bytes.saturating_add(next.bytes());
                group.push(next);
            }
            if matches!(group.last(), Some(WriteOp::Close { .. })) {
                let close = group.pop();
                self.carry_out(group);
                self.close(close);
                return;
            }
            self.carry_out(group);
        }
    }

    fn carry_out(&mut self, group: Vec<WriteOp>) {
        if group.is_empty() {
            return;
        }
        let before = self.current;
        let (group, refused) = self.refuse_stale_snapshots(group);
        let result = self.progress.check().and_then(|()| {
            let database = self.database.get().ok_or(WriteError::Closed)?;
            self.write(&database, &group)
                .map_err(|fault| WriteError::Fault(self.progress.latch(fault)))
        });
        let is_landmark = group.iter().any(WriteOp::is_landmark);
        if result.is_err() {
            self.current = before;
        }
        for op in group {
            op.complete(result.clone());
        }
        for op in refused {
            op.complete(Err(WriteError::Superseded));
        }
        // After the answers: the note has told it already, and only a power cut could take it back.
        if result.is_ok()
            && is_landmark
            && let Err(error) = self.note.sync()
        {
            self.progress.latch(StoreFault::new(NOTE, error));
        }
        // A transfer that broke off leaves something to sweep, too.
        if result.is_ok() && !self.superseded.is_empty() {
            self.sweep();
        }
    }

    /// Takes out snapshot switches that would go back behind the current one, and notes what the
    /// others replace.
    fn refuse_stale_snapshots(&mut self, group: Vec<WriteOp>) -> (Vec<WriteOp>, Vec<WriteOp>) {
        let (mut kept, mut refused) = (Vec::with_capacity(group.len()), Vec::new());
        for op in group {
            match &op {
                WriteOp::SnapshotSwitch {
                    sequence, covers, ..
                } => {
                    if self.current.is_some_and(|(_, current)| *covers < current) {
                        self.superseded.push(*sequence);
                        refused.push(op);
                        continue;
                    }
                    if let Some((old, _)) = self.current.replace((*sequence, *covers)) {
                        self.superseded.push(old);
                    }
                }
                WriteOp::SnapshotForget { sequence } => self.superseded.push(*sequence),
                _ => {}
            }
            kept.push(op);
        }
        (kept, refused)
    }

    fn write(&mut self, database: &Database, group: &[WriteOp]) -> Result<(), StoreFault> {
        self.step(Step::BeforeWrite)?;
        let (mut end, mut lowest) = (self.end, self.end);
        for op in group {
            end = op.end_after(end);
            lowest.last = lowest.last.min(end.last);
        }
        self.note
            .lower(lowest)
            .map_err(|error| StoreFault::new(NOTE, error))?;
        let mut batch = WriteBatch::default();
        let mut written = 0;
        for op in group {
            stage(database, &mut batch, op);
            if let WriteOp::Append { write, .. } = op {
                written = *write;
            }
        }
        if !batch.is_empty() {
            database
                .db()
                .write_opt(batch, &WriteOptions::default())
                .map_err(|error| StoreFault::new("write", error))?;
        }
        self.progress.set_written(written);
        self.end = end;
        self.step(Step::Written)?;
        if group.iter().any(WriteOp::is_synced) {
            database
                .db()
                .flush_wal(true)
                .map_err(|error| StoreFault::new("sync", error))?;
            self.step(Step::Synced)?;
            self.note
                .raise(end)
                .map_err(|error| StoreFault::new(NOTE, error))?;
        }
        Ok(())
    }

    /// Removes superseded snapshots. Not synced: what a crash brings back is removed at the next
    /// open.
    fn sweep(&mut self) {
        let Some(database) = self.database.get() else {
            return;
        };
        let mut batch = WriteBatch::default();
        for sequence in self.superseded.drain(..) {
            batch.delete_range_cf(
                database.snapshot(),
                format::snapshot_first_key(sequence),
                format::snapshot_first_key(sequence.saturating_add(1)),
            );
        }
        let swept = database
            .db()
            .write_opt(batch, &WriteOptions::default())
            .map_err(|error| StoreFault::new("remove an old snapshot", error))
            .and_then(|()| self.step(Step::Swept));
        if let Err(fault) = swept {
            self.progress.latch(fault);
        }
    }

    fn step(&self, step: Step) -> Result<(), StoreFault> {
        match &self.options.steps {
            Some(hook) => hook(step).map_err(|error| StoreFault::new("pass a test hook", error)),
            None => Ok(()),
        }
    }

    /// Syncs, closes the database and lets go of its lock, then tells the caller.
    fn close(&mut self, close: Option<WriteOp>) {
        let mut result = self.progress.check();
        if let Some(database) = self.database.take() {
            if result.is_ok() {
                let synced = database.db().flush_wal(true);
                let noted = synced
                    .map_err(|error| StoreFault::new("sync", error))
                    .and_then(|()| {
                        self.note
                            .raise(self.end)
                            .and_then(|()| self.note.sync())
                            .map_err(|error| StoreFault::new(NOTE, error))
                    });
                result = noted.map_err(|fault| WriteError::Fault(self.progress.latch(fault)));
            }
            wait_for_readers(&database);
            drop(database);
        }
        if let Some(close) = close {
            close.complete(result);
        }
    }
}

fn stage(database: &Database, batch: &mut WriteBatch, op: &WriteOp) {
    match op {
        WriteOp::Vote { value, .. } => batch.put_cf(database.meta(), META_VOTE, value),
        WriteOp::Append { entries, .. } => {
            for (index, value) in entries {
                batch.put_cf(database.log(), log_key(*index), value);
            }
        }
        WriteOp::Truncate { from, end, .. } => delete_entries(database, batch, *from, *end),
        WriteOp::Purge {
            last_purged,
            from,
            end,
            ..
        } => {
            batch.put_cf(database.meta(), META_LAST_PURGED, last_purged);
            delete_entries(database, batch, *from, *end);
        }
        WriteOp::Committed { value } => batch.put_cf(database.meta(), META_COMMITTED, value),
        WriteOp::SnapshotChunk { key, value, .. } => batch.put_cf(database.snapshot(), key, value),
        WriteOp::SnapshotSwitch { value, .. } => {
            batch.put_cf(database.meta(), META_SNAPSHOT, value);
        }
        WriteOp::SnapshotForget { .. } | WriteOp::Close { .. } => {}
    }
}

fn delete_entries(database: &Database, batch: &mut WriteBatch, from: u64, end: u64) {
    if end.saturating_sub(from) > POINT_DELETES_MAX {
        batch.delete_range_cf(database.log(), log_key(from), log_key(end));
    } else {
        for index in from..end {
            batch.delete_cf(database.log(), log_key(index));
        }
    }
}

/// Readers hold the database only for the time of one read.
fn wait_for_readers(database: &Arc<Database>) {
    let mut waited = Duration::ZERO;
    let pause = Duration::from_millis(1);
    while Arc::strong_count(database) > 1 && waited < CLOSE_WAIT {
        std::thread::sleep(pause);
        waited += pause;
    }
}
