//! [`CutFiles`]: what a cut of the log needs open before anything of it is shown.

use std::io;
use std::sync::Arc;

use trimaran_types::Offset;

use super::Log;
use super::aborted_files::CutAborted;
use super::truncate::TruncateError;
use crate::disk::{DiskDir, DiskFile, OpenHow};
use crate::names::SegmentFile;
use crate::shared::SegmentView;

/// What a cut needs, open.
pub(super) struct CutFiles {
    pub log: Arc<dyn DiskFile>,
    /// The segment's aborted transactions, if a file has them.
    pub aborted: Option<CutAborted>,
    pub names: Box<dyn DiskDir>,
}

impl Log {
    /// Opens what a cut in the segment needs. From when the cut is shown it can only go on or end the
    /// directory, so nothing is to be asked of the system then that it refuses for now.
    pub(super) fn open_cut(
        &self,
        segment: &SegmentView,
        end: Offset,
    ) -> Result<CutFiles, TruncateError> {
        let same = self.active.id == segment.id;
        let refused = |source: io::Error| TruncateError::from(self.close_error(source));
        let log = match self.active.file.clone().filter(|_| same) {
            Some(file) => file,
            None => {
                let path = self.shared.path(SegmentFile::Log, segment.base);
                let opened = self.context().open(&path, OpenHow::Existing);
                opened.map_err(refused)?
            }
        };
        Ok(CutFiles {
            log,
            aborted: self.open_aborted(segment, end, same)?,
            names: self.context().open_dir(self.dir()).map_err(refused)?,
        })
    }

    /// The directory, and the file of the segment with which the log is to start over. The file comes
    /// last: none is left behind by a refusal.
    pub(super) fn open_start(
        &self,
        base: Offset,
    ) -> io::Result<(Box<dyn DiskDir>, Arc<dyn DiskFile>)> {
        let names = self.context().open_dir(self.dir())?;
        let path = self.shared.path(SegmentFile::Log, base);
        let context = self.context();
        let open = || context.open(&path, OpenHow::OrCreate);
        let file = context.reserve.with_room(0, open)?;
        Ok((names, file))
    }
}
