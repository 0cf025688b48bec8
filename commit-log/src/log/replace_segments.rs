//! [`Log::replace_segments`]: a cleaned segment takes the place of those it was made from.
//!
//! A stop at any step, and any order in which the names reach the disk between two syncs of the
//! directory, leaves either the old segments or the new one. The steps, for a segment at base `B`:
//!
//! 0. The journal forgets the log.
//! 1. The cleaner has written `B.*.cleaned` and synced the files and the directory.
//! 2. `B.txnindex` if there is one, `B.index`, `B.timeindex`, then `B.log` go from `.cleaned` to `.swap`; the directory is
//!    synced. From here on the new one wins: what is left to do is done at the next start.
//! 3. Behind the readers' lock: the other old files become `.deleted`, the others but `B.timeindex.swap`
//!    take their names, readers see the new segment. The directory is synced.
//! 4. `B.timeindex.swap` takes its name. Until then its presence tells a start that step 3 may be
//!    half done: a missing time index costs a reader nothing but time.
//!
//! The new segment's last batch reaches as far as the old segments did, so the file itself says
//! which segments it has replaced.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Log;
use super::checkpoint::CloseError;
use super::run::is_exhausted;
use crate::cleaner::CleanedSegment;
use crate::disk::{DiskDir, DiskFile, OpenHow};
use crate::latch::DirFailed;
use crate::names::{CLEANED_SUFFIX, DELETED_SUFFIX, SWAP_SUFFIX, SegmentFile, suffixed};
use crate::shared::{ReadState, SegmentView};

/// Why segments were not replaced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplaceError {
    /// The directory is out of service, perhaps since this swap.
    #[error(transparent)]
    DirFailed(#[from] DirFailed),
    /// No descriptor is left to sync the directory with; nothing was done, and a later try may
    /// succeed.
    #[error("cannot open {} to sync it: {cause}", dir.display())]
    NoDescriptor {
        /// The log's directory.
        dir: PathBuf,
        /// The system's answer.
        cause: String,
    },
    /// The log was cut since they were read, or they are no longer there, or not durable.
    #[error("the log has changed since it was read for cleaning")]
    Changed,
}

/// What a swap leaves to do, off the log's owner.
#[derive(Debug)]
pub struct Replaced {
    doomed: Vec<PathBuf>,
    /// The file that lost its name. Its blocks are given back when this is dropped, which takes a
    /// while.
    _unnamed: Option<Arc<dyn DiskFile>>,
    disk: Arc<dyn crate::disk::Disk>,
}

impl Replaced {
    /// Removes the old files. What cannot be removed goes at the next start of the log.
    pub fn remove_old_files(self) {
        for path in &self.doomed {
            if let Err(error) = self.disk.remove_file(path) {
                tracing::warn!(file = %path.display(), %error, "a replaced file still takes room");
            }
        }
    }
}

impl Log {
    /// Puts a cleaned segment in the place of the segments that it was made from. Readers in
    /// flight read again. Blocks for two syncs of the directory.
    ///
    /// # Errors
    /// See [`ReplaceError`]. Unless the directory has failed, nothing was done.
    pub fn replace_segments(&mut self, cleaned: &CleanedSegment) -> Result<Replaced, ReplaceError> {
        self.context().latch.check()?;
        let first = self.check_replaceable(cleaned)?;
        let base = cleaned.base();
        let names = self.names_to_swap()?;
        // The new segment has the name of an old one, and other bytes.
        self.leave_journal()?;
        let unnamed = self
            .shared
            .file(&cleaned.sources()[0], SegmentFile::Log, OpenHow::Existing);
        let swapped = self
            .commit(cleaned, names.as_ref())
            .and_then(|()| self.take_names(cleaned, first, names.as_ref()))
            .and_then(|doomed| self.drop_marker(base).map(|()| doomed));
        let doomed = swapped.map_err(|error| {
            self.context()
                .latch
                .fail("swap segments in", self.dir(), &error)
        })?;
        for source in cleaned.sources() {
            self.context().files.forget(source.id);
        }
        for source in &cleaned.sources()[1..] {
            if self.loses_snapshot(source.base) {
                self.snapshots.forget(source.base);
            }
        }
        // A note that stays behind makes the next start read the log anew, and costs nothing else.
        match self.write_aborted_sums() {
            Err(CloseError::DirFailed(failed)) => return Err(failed.into()),
            Err(error @ CloseError::Io { .. }) => {
                tracing::warn!(dir = %self.dir().display(), %error, "checksums of aborted transactions not written");
            }
            Ok(()) => {}
        }
        Ok(Replaced {
            doomed,
            _unnamed: unnamed.ok(),
            disk: Arc::clone(&self.context().disk),
        })
    }

    /// The directory, opened before anything in it gets another name.
    fn names_to_swap(&self) -> Result<Box<dyn DiskDir>, ReplaceError> {
        self.context().open_dir(self.dir()).map_err(|error| {
            let dir = self.dir().to_owned();
            if is_exhausted(&error) {
                let cause = error.to_string();
                ReplaceError::NoDescriptor { dir, cause }
            } else {
                self.context().latch.fail("open", &dir, &error).into()
            }
        })
    }

    /// Where the sources stand among the segments, if they are as they were read.
    fn check_replaceable(&self, cleaned: &CleanedSegment) -> Result<usize, ReplaceError> {
        let state = self.shared.read();
        let sources = cleaned.sources();
        let first = state
            .segments
            .iter()
            .position(|view| view.id == sources[0].id)
            .ok_or(ReplaceError::Changed)?;
        let next = state
            .segments
            .get(first + sources.len())
            .ok_or(ReplaceError::Changed)?;
        let same = state.segments[first..first + sources.len()]
            .iter()
            .zip(sources)
            .all(|(now, then)| now.id == then.id && now.bytes == then.bytes);
        let is_durable = next.base <= self.flush.flushed_end;
        if same && is_durable && state.truncations == cleaned.truncations() && self.config.compacted
        {
            Ok(first)
        } else {
            Err(ReplaceError::Changed)
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.context().disk.rename(from, to)
    }

    /// Step 2.
    fn commit(&self, cleaned: &CleanedSegment, names: &dyn DiskDir) -> io::Result<()> {
        let has_aborted = cleaned.aborted().entries > 0;
        let aborted = has_aborted.then_some(SegmentFile::Aborted);
        for kind in aborted.into_iter().chain(COMMIT_ORDER) {
            let path = self.shared.path(kind, cleaned.base());
            self.rename(
                &suffixed(&path, CLEANED_SUFFIX),
                &suffixed(&path, SWAP_SUFFIX),
            )?;
        }
        names.sync()
    }

    /// Step 3. Tells which files are to be removed.
    fn take_names(
        &self,
        cleaned: &CleanedSegment,
        first: usize,
        names: &dyn DiskDir,
    ) -> io::Result<Vec<PathBuf>> {
        let mut doomed = Vec::new();
        let mut state = self.shared.write();
        // Whatever happens below, who has read by the old names must look again.
        state.generation += 1;
        let swapped = self.rename_all(cleaned, &mut doomed);
        if swapped.is_ok() {
            show(&mut state, cleaned, first, self.context().files.next_id());
            // Or a reader would go on finding in memory what is gone from the files.
            let end = state
                .segments
                .get(first + 1)
                .map_or(cleaned.base(), |next| next.base);
            self.shared
                .with_tail(&mut state, |tail| tail.forget_before(end));
        }
        drop(state);
        swapped?;
        names.sync()?;
        Ok(doomed)
    }

    fn rename_all(&self, cleaned: &CleanedSegment, doomed: &mut Vec<PathBuf>) -> io::Result<()> {
        let mut set_aside = |kind: SegmentFile, base| {
            let path = self.shared.path(kind, base);
            let aside = suffixed(&path, DELETED_SUFFIX);
            match self.rename(&path, &aside) {
                Ok(()) => doomed.push(aside),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            Ok(())
        };
        for source in &cleaned.sources()[1..] {
            SegmentFile::ALL
                .into_iter()
                .filter(|kind| *kind != SegmentFile::Snapshot || self.loses_snapshot(source.base))
                .try_for_each(|kind| set_aside(kind, source.base))?;
        }
        let mut named = vec![SegmentFile::OffsetIndex, SegmentFile::Log];
        if cleaned.aborted().entries > 0 {
            named.insert(0, SegmentFile::Aborted);
        } else {
            set_aside(SegmentFile::Aborted, cleaned.base())?;
        }
        for kind in named {
            let path = self.shared.path(kind, cleaned.base());
            self.rename(&suffixed(&path, SWAP_SUFFIX), &path)?;
        }
        Ok(())
    }

    /// Whether the snapshot of the producers goes when no segment starts at `base` any more: all but
    /// the latest do.
    fn loses_snapshot(&self, base: trimaran_types::Offset) -> bool {
        self.snapshots.latest() != Some(base)
    }

    /// Step 4.
    fn drop_marker(&self, base: trimaran_types::Offset) -> io::Result<()> {
        let path = self.shared.path(SegmentFile::TimeIndex, base);
        self.rename(&suffixed(&path, SWAP_SUFFIX), &path)
    }
}

/// The log last: its `.swap` is the sign that all are there.
const COMMIT_ORDER: [SegmentFile; 3] = [
    SegmentFile::OffsetIndex,
    SegmentFile::TimeIndex,
    SegmentFile::Log,
];

fn show(
    state: &mut ReadState,
    cleaned: &CleanedSegment,
    first: usize,
    id: crate::open_files::SegmentId,
) {
    let view = SegmentView {
        id,
        base: cleaned.base(),
        bytes: cleaned.bytes(),
    };
    for source in cleaned.sources() {
        state.aborted_in.remove(&source.base);
    }
    if cleaned.aborted().entries > 0 {
        state.aborted_in.insert(cleaned.base(), cleaned.aborted());
    }
    let sources = first..first + cleaned.sources().len();
    state.segments.splice(sources, [view]);
}
