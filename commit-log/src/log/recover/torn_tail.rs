//! Telling a torn tail from corruption, and cutting it; the rule is in the parent.

use std::io;
use std::path::Path;

use trimaran_types::Offset;

use super::{Recovery, TailCut, at_path};
use crate::damage::Damage;
use crate::disk::DiskFile;
use crate::log::OpenError;
use crate::names::SegmentFile;
use crate::segment_scan::{Scanned, has_good_batch_after};

impl Recovery<'_> {
    /// Cuts what lies behind the good batches, or says why it may not be cut.
    pub(super) fn cut_if_torn(
        &mut self,
        at_segment: usize,
        file: &dyn DiskFile,
        path: &Path,
        scanned: &Scanned,
    ) -> Result<(), OpenError> {
        let (_, bytes) = self.segments[at_segment];
        let next = self.segments.get(at_segment + 1).map(|(base, _)| *base);
        let expected = scanned.end;
        let cause = match (&scanned.damage, next) {
            (Some(damage), _) => damage.clone(),
            (None, Some(found))
                if found < expected || (found > expected && !self.config.compacted) =>
            {
                Damage::SegmentOutOfPlace { expected, found }
            }
            (None, _) => return Ok(()),
        };
        let position = scanned.position;
        let corrupt = || OpenError::Corrupt {
            file: path.to_owned(),
            position,
            offset: expected,
            cause: cause.clone(),
        };
        // A whole batch in the wrong place was never half written.
        let misplaced = matches!(
            cause,
            Damage::OffsetOutOfOrder { .. } | Damage::EpochOutOfOrder { .. }
        );
        if self.clean || misplaced || expected < self.synced_end {
            return Err(corrupt());
        }
        let mut lost_bytes = bytes - position;
        if has_good_batch_after(file, position + 1, bytes, expected).map_err(at_path(path))? {
            return Err(corrupt());
        }
        for &(base, bytes) in &self.segments[at_segment + 1..] {
            let path = SegmentFile::Log.path(self.dir, base);
            let later = self.open(&path)?;
            if has_good_batch_after(later.as_ref(), 0, bytes, Offset::ZERO)
                .map_err(at_path(&path))?
            {
                return Err(corrupt());
            }
            lost_bytes += bytes;
        }
        self.cut(at_segment, file, path, position)?;
        tracing::warn!(file = %path.display(), position, offset = expected.0, bytes = lost_bytes, %cause, "torn tail cut");
        self.report.cut = Some(TailCut {
            file: path.to_owned(),
            position,
            offset: expected,
            bytes: lost_bytes,
            cause,
        });
        Ok(())
    }

    fn cut(
        &mut self,
        at_segment: usize,
        file: &dyn DiskFile,
        path: &Path,
        position: u64,
    ) -> Result<(), OpenError> {
        // Newest first, so that a stop in between leaves no hole.
        for &(base, _) in self.segments[at_segment + 1..].iter().rev() {
            for kind in [
                SegmentFile::TimeIndex,
                SegmentFile::OffsetIndex,
                SegmentFile::Log,
            ] {
                let path = kind.path(self.dir, base);
                match self.context.disk.remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(at_path(&path)(error));
                    }
                    _ => {}
                }
            }
        }
        self.segments.truncate(at_segment + 1);
        self.segments[at_segment].1 = position;
        file.truncate(position).map_err(at_path(path))?;
        self.context
            .disk
            .sync_dir(self.dir)
            .map_err(|e| self.failed(self.dir, &e))
    }
}
