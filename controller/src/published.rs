//! [`Published`]: the applied image, for everyone who reads; written by the state machine alone.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use trimaran_metadata::MetadataImage;

use crate::feed_ring::{AppliedEntry, FeedRing};

/// The applied image and the entries that led to it.
///
/// The image is swapped in whole before the index is announced, so whoever waits for an index
/// finds an image that has it.
#[derive(Debug)]
pub(crate) struct Published {
    image: ArcSwap<MetadataImage>,
    /// First index that is not applied; 0 before anything is.
    applied_end: watch::Sender<u64>,
    ring: Mutex<FeedRing>,
    /// First index that the log is known to hold as it was committed.
    log_floor: AtomicU64,
}

impl Published {
    /// Nothing applied; the ring keeps at most `ring_bytes_max`.
    #[must_use]
    pub(crate) fn new(ring_bytes_max: usize) -> Self {
        Self {
            image: ArcSwap::from_pointee(MetadataImage::default()),
            applied_end: watch::Sender::new(0),
            ring: Mutex::new(FeedRing::new(ring_bytes_max)),
            log_floor: AtomicU64::new(0),
        }
    }

    /// The image as applied now.
    #[must_use]
    pub(crate) fn image(&self) -> Arc<MetadataImage> {
        self.image.load_full()
    }

    /// First index that is not applied.
    #[must_use]
    pub(crate) fn applied_end(&self) -> u64 {
        *self.applied_end.borrow()
    }

    /// Follows the first index that is not applied.
    #[must_use]
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.applied_end.subscribe()
    }

    /// Recent entries from `index` on, if memory has them; see [`FeedRing::from`].
    #[must_use]
    pub(crate) fn recent(&self, index: u64, bytes_max: usize) -> Option<Vec<AppliedEntry>> {
        self.ring
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .from(index, bytes_max)
    }

    /// Publishes `image` after `entries`, the last of which has the index before `applied_end`.
    pub(crate) fn advance(
        &self,
        image: MetadataImage,
        entries: Vec<AppliedEntry>,
        applied_end: u64,
    ) {
        {
            let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
            for entry in entries {
                ring.push(entry);
            }
        }
        self.image.store(Arc::new(image));
        self.applied_end.send_replace(applied_end);
    }

    /// First index that the log may be read from. What lies below may still be entries that were
    /// never committed: a leader's snapshot took their place, and raft removes them later. To be
    /// asked for after [`Self::applied_end`].
    #[must_use]
    pub(crate) fn log_floor(&self) -> u64 {
        self.log_floor.load(Ordering::Acquire)
    }

    /// Publishes an image that came as a snapshot: of the leader, or this node's own at its start.
    pub(crate) fn restart(&self, image: MetadataImage, applied_end: u64, is_of_leader: bool) {
        // Before the end is announced: whoever sees the end sees the floor.
        if is_of_leader {
            self.log_floor.store(applied_end, Ordering::Release);
        }
        self.ring
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.image.store(Arc::new(image));
        self.applied_end.send_replace(applied_end);
    }
}
