//! [`SnapshotFiles`]: the `.snapshot` files of one log.
//!
//! As Kafka has it, a file is named after the log's end at the time, is written in place, and is
//! believed only if its checksum is right; nothing is lost with one but time. One is taken when a
//! segment is finished and one when the log is closed; those kept are the ones that a segment
//! starts with, and the latest. A truncation removes those beyond it before anything is cut, so that
//! none can ever describe records that are gone.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use trimaran_types::Offset;

use super::snapshot::{SNAPSHOT_BYTES_MAX, format, parse};
use super::{ProducerStates, SnapshotProducer};
use crate::disk::{Disk, DiskFile, OpenHow};
use crate::names::SegmentFile;

/// Which snapshots a log has.
#[derive(Debug, Clone, Default)]
pub(crate) struct SnapshotFiles {
    ends: BTreeSet<Offset>,
}

impl SnapshotFiles {
    pub(crate) const fn new(ends: BTreeSet<Offset>) -> Self {
        Self { ends }
    }

    /// The log's end at the time of the latest one.
    pub(crate) fn latest(&self) -> Option<Offset> {
        self.ends.last().copied()
    }

    /// Writes one for a log that ends at `end` and tells the file, which is not synced.
    pub(crate) fn write(
        &mut self,
        disk: &dyn Disk,
        dir: &Path,
        states: &ProducerStates,
        end: Offset,
    ) -> io::Result<Arc<dyn DiskFile>> {
        let file = disk.open(&SegmentFile::Snapshot.path(dir, end), OpenHow::Empty)?;
        self.ends.insert(end);
        file.write_all_at(0, &format(states))?;
        Ok(file)
    }

    /// The latest good one of a log that ended at `up_to` or before, and that end. Damaged ones are
    /// removed on the way.
    pub(crate) fn load(
        &mut self,
        disk: &dyn Disk,
        dir: &Path,
        up_to: Offset,
    ) -> io::Result<Option<(ProducerStates, Offset)>> {
        while let Some(end) = self.ends.range(..=up_to).next_back().copied() {
            if let Some(states) = load_snapshot(disk, dir, end)? {
                return Ok(Some((states, end)));
            }
            let path = SegmentFile::Snapshot.path(dir, end);
            tracing::warn!(file = %path.display(), "damaged producer snapshot removed");
            self.remove(disk, dir, end)?;
        }
        Ok(None)
    }

    /// Removes those of a log that ended beyond `end`; tells whether there were any.
    pub(crate) fn remove_beyond(
        &mut self,
        disk: &dyn Disk,
        dir: &Path,
        end: Offset,
    ) -> io::Result<bool> {
        let beyond: Vec<_> = self.ends.range(end.next()..).copied().collect();
        for end in beyond.iter().rev() {
            self.remove(disk, dir, *end)?;
        }
        Ok(!beyond.is_empty())
    }

    /// Removes all but those that one of `bases` starts with, and the latest.
    pub(crate) fn remove_strays(
        &mut self,
        disk: &dyn Disk,
        dir: &Path,
        bases: &BTreeSet<Offset>,
    ) -> io::Result<()> {
        let latest = self.latest();
        let strays: Vec<_> = self.ends.difference(bases).copied().collect();
        for end in strays.into_iter().filter(|end| Some(*end) != latest) {
            self.remove(disk, dir, end)?;
        }
        Ok(())
    }

    /// One is gone, with the segment that it belonged to.
    pub(crate) fn forget(&mut self, end: Offset) {
        self.ends.remove(&end);
    }

    /// Removes one; one that is not there is fine.
    pub(crate) fn remove(&mut self, disk: &dyn Disk, dir: &Path, end: Offset) -> io::Result<()> {
        match disk.remove_file(&SegmentFile::Snapshot.path(dir, end)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.ends.remove(&end);
        Ok(())
    }
}

/// The snapshot of a log that ended at `end`; `None` when there is none that can be believed.
///
/// # Errors
/// Those of the system.
pub(crate) fn load_snapshot(
    disk: &dyn Disk,
    dir: &Path,
    end: Offset,
) -> io::Result<Option<ProducerStates>> {
    let path = SegmentFile::Snapshot.path(dir, end);
    let file = match disk.open(&path, OpenHow::Existing) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(parse(&content(file.as_ref())?))
}

/// A snapshot's bytes; a file that is too long is cut, which its checksum shows.
fn content(file: &dyn DiskFile) -> io::Result<Vec<u8>> {
    let there = usize::try_from(file.bytes()?).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    file.read_at(0, there.min(SNAPSHOT_BYTES_MAX + 1), &mut bytes)?;
    Ok(bytes)
}

/// The producers in a snapshot, by id; `None` when it cannot be believed.
pub(crate) fn read_snapshot(file: &dyn DiskFile) -> io::Result<Option<Vec<SnapshotProducer>>> {
    let producers = parse(&content(file)?).map(|states| {
        let all = states.sorted().into_iter();
        all.map(|(id, entry)| SnapshotProducer::of(id, entry))
            .collect()
    });
    Ok(producers)
}
