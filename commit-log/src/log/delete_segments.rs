//! [`Log::delete_segments`]: whole segments below the log start leave the log, and their files get
//! another name.
//!
//! A segment leaves the readers' view before its files are touched: who planned a read before finds
//! them gone, looks again, and hears that the offset is out of range. The indexes are renamed before
//! their segment, as everywhere.

use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use trimaran_types::Offset;

use super::Log;
use super::run::is_exhausted;
use crate::disk::DiskDir;
use crate::latch::DirFailed;
use crate::names::SegmentFile;
use crate::retention::DeletedSegments;
use crate::shared::SegmentView;

/// Most segments of one call: the owner has other work, and renames are not free.
const SEGMENTS_AT_ONCE: usize = 64;

/// Why segments stay where they are.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// The directory is out of service, perhaps since this deletion.
    #[error(transparent)]
    DirFailed(#[from] DirFailed),
    /// The system refused something that ends nothing; a later try may succeed.
    #[error("cannot delete segments in {}", dir.display())]
    Io {
        /// The log's directory.
        dir: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl Log {
    /// Takes the segments out that end at or below both `durable_start` and the log start, oldest
    /// first and at most 64 at once. `durable_start` is the log start that the directory's
    /// checkpoint is known to hold: what it covers stays out after a restart. The segment that is
    /// written always stays.
    ///
    /// Nothing is removed yet: see [`DeletedSegments`]. `None` when there is nothing to take out.
    ///
    /// # Errors
    /// See [`DeleteError`].
    pub fn delete_segments(
        &mut self,
        durable_start: Offset,
    ) -> Result<Option<DeletedSegments>, DeleteError> {
        self.context().latch.check()?;
        let start = durable_start.min(self.log_start);
        if self.oldest_to_go(start).is_none() {
            self.flush.deleted_up_to(start);
            return Ok(None);
        }
        let names = self.open_names()?;
        let mut deleted = DeletedSegments {
            context: self.context().clone(),
            dir: self.dir().to_owned(),
            names: Mutex::new(names),
            files: Vec::new(),
            segments: 0,
            bytes: 0,
            delay_ms: self.config.file_delete_delay_ms,
            is_all: false,
        };
        while deleted.segments < SEGMENTS_AT_ONCE {
            let Some(segment) = self.hide_oldest(start) else {
                deleted.is_all = true;
                break;
            };
            match self.rename_files(&segment) {
                Ok(files) => deleted.files.extend(files),
                Err(error) => {
                    // It is still whole, or lacks indexes, which readers can do without.
                    self.shared.write().segments.insert(0, segment);
                    let refused = self.delete_error("rename a segment in", &error);
                    if deleted.segments == 0 {
                        return Err(refused);
                    }
                    deleted.is_all = true;
                    break;
                }
            }
            deleted.segments += 1;
            deleted.bytes += segment.bytes;
        }
        self.flush.deleted_up_to(start);
        Ok((deleted.segments > 0).then_some(deleted))
    }

    /// The oldest segment, if it lies below `start` and is not the one that is written.
    fn oldest_to_go(&self, start: Offset) -> Option<SegmentView> {
        let state = self.shared.read();
        let next = state.segments.get(1)?;
        (next.base <= start).then_some(state.segments[0])
    }

    /// The directory, opened while the log is here: once it has ended, its folder may get another
    /// name before the renaming of the files is synced. `None` when a person has renamed it already.
    fn open_names(&self) -> Result<Option<Box<dyn DiskDir>>, DeleteError> {
        match self.context().open_dir(self.dir()) {
            Ok(names) => Ok(Some(names)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.delete_error("open", &error)),
        }
    }

    /// Takes the oldest segment from the readers if it lies below `start`.
    fn hide_oldest(&self, start: Offset) -> Option<SegmentView> {
        self.oldest_to_go(start)?;
        let mut state = self.shared.write();
        state.generation += 1;
        let segment = state.segments.remove(0);
        drop(state);
        self.context().files.forget(segment.id);
        Some(segment)
    }

    fn rename_files(&mut self, segment: &SegmentView) -> io::Result<Vec<PathBuf>> {
        self.snapshots.forget(segment.base);
        let mut renamed = Vec::with_capacity(SegmentFile::ALL.len());
        for kind in SegmentFile::ALL {
            let (from, to) = (
                self.shared.path(kind, segment.base),
                kind.deleted_path(self.dir(), segment.base),
            );
            let context = self.context();
            let rename = || context.disk.rename(&from, &to);
            // A longer name may need a block in the directory.
            match context.reserve.with_room(0, rename) {
                Ok(()) => renamed.push(to),
                // An index may be missing; a whole directory may have been renamed by hand.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(renamed)
    }

    /// A full disk ends nothing; any other refusal ends the directory.
    pub(super) fn delete_error(&self, doing: &'static str, error: &io::Error) -> DeleteError {
        if is_exhausted(error) {
            DeleteError::Io {
                dir: self.dir().to_owned(),
                source: io::Error::new(error.kind(), error.to_string()),
            }
        } else {
            self.context().latch.fail(doing, self.dir(), error).into()
        }
    }
}
