//! [`Shared`]: what the owner of a log and its readers both see.
//!
//! The owner writes a batch to its file first and shows it here afterwards. A reader takes a plan
//! under the lock, reads without it, and believes what it read only if the generation has not
//! changed: the owner raises it before it truncates anything.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use trimaran_types::Offset;

use crate::aborted::{AbortedSums, AbortedTail};
use crate::cleaner::CleaningGate;
use crate::context::LogContext;
use crate::epochs::EpochCache;
use crate::index::{IndexTail, OffsetEntry, TimeEntry};
use crate::open_files::SegmentId;
use crate::tail::HotTail;

/// One segment as readers see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SegmentView {
    pub id: SegmentId,
    pub base: Offset,
    /// Bytes of whole batches that are written.
    pub bytes: u64,
}

/// The part that changes.
#[derive(Debug)]
pub(crate) struct ReadState {
    /// Raised by every truncation, before it touches a file, and with every swap of segments.
    pub generation: u64,
    /// Raised by truncations alone, before they lower any checkpoint.
    pub truncations: u64,
    pub log_start: Offset,
    pub log_end: Offset,
    /// Those of the records; the owner may know a later one that has none yet.
    pub epochs: EpochCache,
    /// Oldest first, never empty; the last one is being written.
    pub segments: Vec<SegmentView>,
    /// Indexes of the last segment.
    pub offsets: IndexTail<OffsetEntry>,
    pub times: IndexTail<TimeEntry>,
    pub aborted: AbortedTail,
    /// Of finished segments that have a file of aborted transactions.
    pub aborted_in: AbortedSums,
    pub tail: HotTail,
}

/// A log, as its owner and its readers share it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub context: LogContext,
    pub dir: PathBuf,
    /// Keeps the cleaner and the end of the log apart.
    pub cleaning: CleaningGate,
    gaps_allowed: AtomicBool,
    state: RwLock<ReadState>,
    last_append: AtomicU64,
}

impl Shared {
    pub(crate) const fn new(
        context: LogContext,
        dir: PathBuf,
        gaps_allowed: bool,
        state: ReadState,
    ) -> Self {
        Self {
            context,
            dir,
            cleaning: CleaningGate::open(),
            gaps_allowed: AtomicBool::new(gaps_allowed),
            state: RwLock::new(state),
            last_append: AtomicU64::new(0),
        }
    }

    /// Whether compaction may have left gaps between offsets. Never goes back to no.
    pub(crate) fn gaps_allowed(&self) -> bool {
        self.gaps_allowed.load(Ordering::Acquire)
    }

    /// From now on there may be gaps; the mark on disk says so already.
    pub(crate) fn allow_gaps(&self) {
        self.gaps_allowed.store(true, Ordering::Release);
    }

    /// The state, to look at.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, ReadState> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, to change; only the owner of the log does, but for the tail.
    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, ReadState> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the log was last appended to, by the tail budget's clock.
    pub(crate) fn last_append(&self) -> u64 {
        self.last_append.load(Ordering::Relaxed)
    }

    /// Notes an append.
    pub(crate) fn touch(&self) {
        self.last_append
            .store(self.context.tails.tick(), Ordering::Relaxed);
    }

    /// Changes the tail and keeps the account of its memory.
    pub(crate) fn with_tail(&self, state: &mut ReadState, change: impl FnOnce(&mut HotTail)) {
        let before = state.tail.bytes();
        change(&mut state.tail);
        self.context.tails.changed(before, state.tail.bytes());
    }

    /// Lets go of the tail; reads go to the files.
    pub(crate) fn drop_tail(&self) {
        let mut state = self.write();
        self.with_tail(&mut state, HotTail::clear);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let held = self.read().tail.bytes();
        self.context.tails.changed(held, 0);
    }
}
