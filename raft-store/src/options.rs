//! [`StoreOptions`].

use std::io;
use std::sync::Arc;

/// A moment of the writer at which a test may stop the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A group of writes is ready, nothing of it is in the database.
    BeforeWrite,
    /// The group is in the database and readable, not synced.
    Written,
    /// The group is synced, nobody has been told.
    Synced,
    /// Superseded snapshots are removed.
    Swept,
}

/// How much memory and disk the store may use, and the hook for crash tests.
#[derive(Clone)]
pub struct StoreOptions {
    /// Recent entries kept in memory, in stored bytes. Entries not yet written stay beyond it.
    pub recent_entries_bytes_max: usize,
    /// Bytes of entries that may wait for the writer; `append` waits when they are used up.
    pub pending_bytes_max: usize,
    /// Most bytes that one read for replication returns; the first entry is always returned.
    pub read_bytes_max: usize,
    /// Called by the writer between its steps; an error is treated as the disk's own.
    pub steps: Option<Arc<dyn Fn(Step) -> io::Result<()> + Send + Sync>>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            recent_entries_bytes_max: 8 * 1024 * 1024,
            pending_bytes_max: 64 * 1024 * 1024,
            read_bytes_max: 4 * 1024 * 1024,
            steps: None,
        }
    }
}

impl std::fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreOptions")
            .field("recent_entries_bytes_max", &self.recent_entries_bytes_max)
            .field("pending_bytes_max", &self.pending_bytes_max)
            .field("read_bytes_max", &self.read_bytes_max)
            .finish_non_exhaustive()
    }
}
