//! [`WriteOp`]: what the writer thread is asked for.

use tokio::sync::OwnedSemaphorePermit;

use crate::fault::WriteError;
use crate::format::SyncedEnd;
use crate::stored_types::{StoredLogId, StoredVote};

/// Told once, in the order of the calls, after the write is as durable as its kind demands.
pub(crate) type Done = Box<dyn FnOnce(Result<(), WriteError>) + Send>;

pub(crate) enum WriteOp {
    /// Synced.
    Vote {
        vote: StoredVote,
        value: Vec<u8>,
        done: Done,
    },
    /// Synced. `write` numbers the appends, so that readers know which entries are in the database.
    Append {
        entries: Vec<(u64, Vec<u8>)>,
        last: StoredLogId,
        write: u64,
        budget: OwnedSemaphorePermit,
        done: Done,
    },
    /// Synced. Deletes `[from, end)`; the log then ends with `last`.
    Truncate {
        from: u64,
        end: u64,
        last: Option<StoredLogId>,
        done: Done,
    },
    /// Synced. Writes the marker and deletes `[from, end)`; the log then ends with `last`.
    Purge {
        last: Option<StoredLogId>,
        last_purged: Vec<u8>,
        from: u64,
        end: u64,
        done: Done,
    },
    /// Not synced: a hint.
    Committed { value: Vec<u8> },
    /// Not synced; the switch that follows syncs it.
    SnapshotChunk {
        key: [u8; 12],
        value: Vec<u8>,
        done: Done,
    },
    /// Synced. Makes the snapshot of this sequence the current one.
    SnapshotSwitch {
        value: Vec<u8>,
        sequence: u64,
        covers: Option<StoredLogId>,
        done: Done,
    },
    /// The writer of this snapshot gave up.
    SnapshotForget { sequence: u64 },
    /// The last one.
    Close { done: Done },
}

impl WriteOp {
    /// Bytes that the operation adds to the database, roughly.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Append { entries, .. } => entries.iter().map(|(_, value)| value.len() + 8).sum(),
            Self::SnapshotChunk { value, .. } => value.len(),
            _ => 64,
        }
    }

    /// Whether it must be on the disk before it is acknowledged.
    pub(crate) fn is_synced(&self) -> bool {
        match self {
            Self::Vote { .. }
            | Self::Append { .. }
            | Self::Truncate { .. }
            | Self::Purge { .. }
            | Self::SnapshotSwitch { .. } => true,
            Self::Committed { .. }
            | Self::SnapshotChunk { .. }
            | Self::SnapshotForget { .. }
            | Self::Close { .. } => false,
        }
    }

    /// How far the store reaches after it, where it reached to `end` before.
    pub(crate) fn end_after(&self, end: SyncedEnd) -> SyncedEnd {
        match self {
            Self::Vote { vote, .. } => SyncedEnd {
                vote: Some(*vote),
                ..end
            },
            Self::Append { last, .. } => SyncedEnd {
                last: Some(*last),
                ..end
            },
            Self::Truncate { last, .. } | Self::Purge { last, .. } => {
                SyncedEnd { last: *last, ..end }
            }
            _ => end,
        }
    }

    /// Whether it is rare, and worth a durable note.
    pub(crate) fn is_landmark(&self) -> bool {
        matches!(
            self,
            Self::Vote { .. } | Self::Purge { .. } | Self::SnapshotSwitch { .. }
        )
    }

    /// Ends the operation and tells whoever waits.
    pub(crate) fn complete(self, result: Result<(), WriteError>) {
        match self {
            Self::Vote { done, .. }
            | Self::Truncate { done, .. }
            | Self::Purge { done, .. }
            | Self::SnapshotChunk { done, .. }
            | Self::SnapshotSwitch { done, .. }
            | Self::Close { done } => done(result),
            Self::Append { done, budget, .. } => {
                drop(budget);
                done(result);
            }
            Self::Committed { .. } | Self::SnapshotForget { .. } => {}
        }
    }
}
