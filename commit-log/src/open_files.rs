//! [`OpenFiles`]: a bounded set of open files of segments that are not being written.
//!
//! Keyed by the segment's number in this process, not by its name: a segment that was removed and
//! made again under the same name is another one, and a reader that was late cannot mix them up.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::disk::{Disk, DiskFile, OpenHow};
use crate::names::SegmentFile;

/// The number of a segment, drawn once for every segment that this process opens or makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SegmentId(u64);

type Key = (SegmentId, SegmentFile);

/// Open files, at most a given number; the one that was used longest ago goes first.
#[derive(Debug)]
pub struct OpenFiles {
    files_max: usize,
    last_id: AtomicU64,
    cached: Mutex<Cached>,
}

#[derive(Debug, Default)]
struct Cached {
    clock: u64,
    files: HashMap<Key, (Arc<dyn DiskFile>, u64)>,
}

impl OpenFiles {
    /// Keeps at most `files_max` files open.
    #[must_use]
    pub fn new(files_max: usize) -> Self {
        Self {
            files_max: files_max.max(1),
            last_id: AtomicU64::new(0),
            cached: Mutex::new(Cached::default()),
        }
    }

    /// A number that no other segment has.
    pub(crate) fn next_id(&self) -> SegmentId {
        SegmentId(self.last_id.fetch_add(1, Ordering::Relaxed))
    }

    /// The open file of a segment, opened now if it was not.
    pub(crate) fn get(
        &self,
        disk: &dyn Disk,
        key: Key,
        path: &Path,
        how: OpenHow,
    ) -> io::Result<Arc<dyn DiskFile>> {
        {
            let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
            cached.clock += 1;
            let clock = cached.clock;
            if let Some((file, used)) = cached.files.get_mut(&key) {
                *used = clock;
                return Ok(Arc::clone(file));
            }
        }
        // Opened outside the lock: a slow disk holds up only those who need this file.
        let file = disk.open(path, how)?;
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.files.len() >= self.files_max
            && let Some(oldest) = cached
                .files
                .iter()
                .min_by_key(|(_, (_, used))| *used)
                .map(|(k, _)| *k)
        {
            cached.files.remove(&oldest);
        }
        let clock = cached.clock;
        cached.files.insert(key, (Arc::clone(&file), clock));
        Ok(file)
    }

    /// Closes the files of a segment that is gone.
    pub(crate) fn forget(&self, id: SegmentId) {
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        cached.files.retain(|(segment, _), _| *segment != id);
    }
}
