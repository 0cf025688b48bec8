//! Files of a log's segments, opened when they are needed.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use trimaran_types::Offset;

use super::Log;
use crate::disk::{DiskFile, OpenHow};
use crate::names::SegmentFile;
use crate::shared::{SegmentView, Shared};

impl Shared {
    /// The path of a file of the segment that starts at `base`.
    pub(crate) fn path(&self, kind: SegmentFile, base: Offset) -> PathBuf {
        kind.path(&self.dir, base)
    }

    /// An open file of a segment, from the bounded set.
    pub(crate) fn file(
        &self,
        segment: &SegmentView,
        kind: SegmentFile,
        how: OpenHow,
    ) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.path(kind, segment.base);
        self.context
            .files
            .get(self.context.disk.as_ref(), (segment.id, kind), &path, how)
    }

    /// Removes all files of a segment; one that is not there is fine.
    pub(crate) fn remove_segment_files(&self, base: Offset) -> io::Result<()> {
        for kind in SegmentFile::ALL {
            match self.context.disk.remove_file(&self.path(kind, base)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Log {
    /// The file that is appended to, opened at the first use and then kept.
    pub(super) fn active_file(&mut self) -> io::Result<Arc<dyn DiskFile>> {
        if let Some(file) = &self.active.file {
            return Ok(Arc::clone(file));
        }
        let path = self.shared.path(SegmentFile::Log, self.active.base);
        let file = self.context().open(&path, OpenHow::Existing)?;
        self.active.file = Some(Arc::clone(&file));
        Ok(file)
    }

    /// Closes the file that is appended to, if everything that was written through it has been
    /// synced through it; the next append opens it again. For logs that nobody writes: a broker may
    /// have ten thousand of them. What is not synced keeps its descriptor, since only that one tells
    /// of a failed write; so does what has room, which the next checkpoint cuts off.
    pub fn close_idle_file(&mut self) {
        if self.flush.is_all_synced(self.log_end) && self.active.room.bytes() == 0 {
            self.active.file = None;
        }
    }

    /// The active segment as readers see it.
    pub(super) const fn active_view(&self) -> SegmentView {
        SegmentView {
            id: self.active.id,
            base: self.active.base,
            bytes: self.active.bytes,
        }
    }
}
