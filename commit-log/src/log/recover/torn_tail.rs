//! Telling a torn tail from corruption, and cutting it; the rule is in the parent.

use std::io;
use std::path::Path;

use trimaran_types::Offset;

use super::{Recovery, TailCut, at_path};
use crate::change_error::sync_names;
use crate::damage::Damage;
use crate::disk::DiskFile;
use crate::log::OpenError;
use crate::log::open::unchanged;
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
        let position = scanned.position;
        if scanned.damage.is_some() && self.is_room(at_segment, file, (position, expected))? {
            return self.cut_room(at_segment, file, position);
        }
        if let Some((position, offset, cause)) = missing_offsets(scanned) {
            return Err(OpenError::Corrupt {
                file: path.to_owned(),
                position,
                offset,
                cause,
            });
        }
        let cause = match (&scanned.damage, next) {
            (Some(damage), _) => damage.clone(),
            // Compaction leaves no gap between two segments: the last batch of each stays.
            (None, Some(found)) if found != expected => {
                Damage::SegmentOutOfPlace { expected, found }
            }
            (None, _) => return Ok(()),
        };
        let corrupt = || OpenError::Corrupt {
            file: path.to_owned(),
            position,
            offset: expected,
            cause: cause.clone(),
        };
        if self.clean || expected < self.synced.at_least {
            return Err(corrupt());
        }
        // A whole batch in the wrong place was never half written, unless the first bytes of a
        // batch lay in a page that was lost, and are zeros now.
        let misplaced = matches!(
            cause,
            Damage::OffsetOutOfOrder { .. } | Damage::EpochOutOfOrder { .. }
        );
        let good_batches_follow = misplaced || self.good_batch_after(at_segment, file, scanned)?;
        if good_batches_follow && !self.synced.is_close {
            return Err(corrupt());
        }
        let later = &self.segments[at_segment + 1..];
        let lost_bytes = bytes - position + later.iter().map(|(_, bytes)| bytes).sum::<u64>();
        self.cut(at_segment, file, path, position)?;
        tracing::warn!(file = %path.display(), position, offset = expected.0, bytes = lost_bytes, good_batches_follow, %cause, "torn tail cut");
        self.report.cut = Some(TailCut {
            file: path.to_owned(),
            position,
            offset: expected,
            bytes: lost_bytes,
            cause,
            good_batches_follow,
        });
        Ok(())
    }

    /// Whether a whole batch lies behind the damage, in this segment or in a later one.
    fn good_batch_after(
        &self,
        at_segment: usize,
        file: &dyn DiskFile,
        scanned: &Scanned,
    ) -> Result<bool, OpenError> {
        let (base, bytes) = self.segments[at_segment];
        let path = SegmentFile::Log.path(self.dir, base);
        let (position, end) = (scanned.position + 1, scanned.end);
        if has_good_batch_after(file, position, bytes, end).map_err(at_path(&path))? {
            return Ok(true);
        }
        for &(base, bytes) in &self.segments[at_segment + 1..] {
            let path = SegmentFile::Log.path(self.dir, base);
            let later = self.open(&path)?;
            if has_good_batch_after(later.as_ref(), 0, bytes, Offset::ZERO)
                .map_err(at_path(&path))?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn cut(
        &mut self,
        at_segment: usize,
        file: &dyn DiskFile,
        path: &Path,
        position: u64,
    ) -> Result<(), OpenError> {
        let names = self.context.open_dir(self.dir).map_err(at_path(self.dir))?;
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
                        return Err(unchanged(self.context, &path)(error));
                    }
                    _ => {}
                }
            }
        }
        self.segments.truncate(at_segment + 1);
        self.segments[at_segment].1 = position;
        file.truncate(position)
            .map_err(unchanged(self.context, path))?;
        sync_names(names.as_ref()).map_err(unchanged(self.context, self.dir))
    }
}

/// Where offsets are missing within a dense segment, and why that is no torn tail: the zeros of a power
/// cut only ever lower an offset, and move nothing. The place is that of the last batch in front, which
/// may have the records of a later one.
fn missing_offsets(scanned: &Scanned) -> Option<(u64, Offset, Damage)> {
    let Some(Damage::OffsetOutOfOrder { expected, found }) = scanned.damage else {
        return None;
    };
    let cause = Damage::NotJoined {
        end: expected,
        found: Some(found),
    };
    let place = scanned.last.unwrap_or((scanned.position, scanned.end));
    (found > expected).then_some((place.0, place.1, cause))
}
