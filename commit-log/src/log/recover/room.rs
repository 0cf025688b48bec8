//! Room at recovery: zeros behind the data, which an unclean stop has left and which are cut off.
//!
//! Zeros are room, and no damage, where they reach the end of the file and no record is missing
//! because of them: at the end of the log they begin at or beyond the synced end; in a segment with
//! another one behind it, they begin where the next offset is that one's first. The latter is what a
//! power cut leaves of a roll: the cut of the room and the name of the next segment come through or
//! not, each alone. Whatever was synced in the next segment was synced after the cut.

use std::io;

use trimaran_types::Offset;

use super::{Recovery, at_path};
use crate::disk::{DiskFile, OpenHow};
use crate::header_hop::{HeaderHop, HopError};
use crate::index::{OffsetEntry, last_in_file};
use crate::log::OpenError;
use crate::log::open::unchanged;
use crate::names::SegmentFile;
use crate::zeros;

impl Recovery<'_> {
    /// Whether what lies behind `position`, where the good batches end with `end`, is room.
    pub(super) fn is_room(
        &self,
        at_segment: usize,
        file: &dyn DiskFile,
        (position, end): (u64, Offset),
    ) -> Result<bool, OpenError> {
        let (base, bytes) = self.segments[at_segment];
        let lacks_nothing = match self.segments.get(at_segment + 1) {
            None => end >= self.synced.at_least,
            Some((next, _)) => *next == end || *next <= self.log_start,
        };
        if self.clean || !lacks_nothing {
            return Ok(false);
        }
        let path = SegmentFile::Log.path(self.dir, base);
        zeros::are_all(file, position, bytes).map_err(at_path(&path))
    }

    /// Cuts room off.
    pub(super) fn cut_room(
        &mut self,
        at_segment: usize,
        file: &dyn DiskFile,
        position: u64,
    ) -> Result<(), OpenError> {
        let (base, bytes) = self.segments[at_segment];
        let path = SegmentFile::Log.path(self.dir, base);
        file.truncate(position)
            .map_err(unchanged(self.context, &path))?;
        self.segments[at_segment].1 = position;
        self.report.room_bytes += bytes - position;
        tracing::debug!(file = %path.display(), position, bytes = bytes - position, "room cut");
        Ok(())
    }

    /// Cuts the room off the segment before `first`, which is not walked, if that one begins right
    /// where the walk does: its cut may not have been synced. That of any earlier one was.
    pub(super) fn cut_room_before(&mut self, first: usize) -> Result<(), OpenError> {
        let begins = self.recovery_point.max(self.log_start);
        let Some(at) = first.checked_sub(1) else {
            return Ok(());
        };
        if self.clean || self.segments[first].0 != begins {
            return Ok(());
        }
        let (base, bytes) = self.segments[at];
        let path = SegmentFile::Log.path(self.dir, base);
        let file = self.open(&path)?;
        let start = self.last_indexed(base).unwrap_or(0);
        let walked = end_of_headers(file.as_ref(), start, base, bytes).map_err(at_path(&path))?;
        if let Some(place) = walked
            && self.is_room(at, file.as_ref(), place)?
        {
            self.cut_room(at, file.as_ref(), place.0)?;
            file.sync_data()
                .map_err(|error| self.failed(&path, &error))?;
        }
        Ok(())
    }

    /// Where the last batch starts that the offset index names; `None` when there is no such index.
    fn last_indexed(&self, base: Offset) -> Option<u64> {
        let path = SegmentFile::OffsetIndex.path(self.dir, base);
        let file = self.context.disk.open(&path, OpenHow::Existing).ok()?;
        let last = last_in_file::<OffsetEntry>(file.as_ref()).ok()??;
        Some(u64::from(last.position))
    }
}

/// Where the batches from `start` on end before the file does, and with which offset; `None` when
/// they end with it, or when there is none at `start`.
fn end_of_headers(
    file: &dyn DiskFile,
    start: u64,
    base: Offset,
    bytes: u64,
) -> io::Result<Option<(u64, Offset)>> {
    let mut end = (start == 0).then_some(base);
    for placed in HeaderHop::new(file, start, bytes) {
        match placed {
            Ok(placed) => end = Some(placed.header.next_offset()),
            Err(HopError::Io(error)) => return Err(error),
            Err(HopError::Batch { position, .. }) => return Ok(end.map(|end| (position, end))),
        }
    }
    Ok(None)
}
