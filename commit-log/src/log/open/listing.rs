//! [`Listing`]: the files of a log's directory, sorted by what they are; what an interrupted change
//! left behind is removed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use trimaran_types::Offset;

use super::error::{OpenError, unchanged};
use crate::context::LogContext;
use crate::disk::DiskEntry;
use crate::names::{DELETED_SUFFIX, SegmentFile, TEMPORARY_SUFFIX};

/// What is in a log's directory.
#[derive(Debug, Default)]
pub(in crate::log) struct Listing {
    /// Base offset and bytes of each segment.
    pub segments: BTreeMap<Offset, u64>,
    /// Bytes of each index.
    pub offset_indexes: BTreeMap<Offset, u64>,
    pub time_indexes: BTreeMap<Offset, u64>,
    /// Bytes of each index of aborted transactions.
    pub aborted: BTreeMap<Offset, u64>,
    /// Where the log ended when each snapshot of its producers was taken.
    pub snapshots: BTreeSet<Offset>,
}

/// Sorts the directory's files and removes what an interrupted change left behind.
pub(super) fn tidy(
    context: &LogContext,
    dir: &Path,
    entries: Vec<DiskEntry>,
) -> Result<Listing, OpenError> {
    let mut listing = Listing::default();
    let mut doomed = Vec::new();
    for entry in entries.into_iter().filter(|entry| !entry.is_dir) {
        match SegmentFile::parse(&entry.name) {
            Some((SegmentFile::Log, base)) => listing.segments.insert(base, entry.bytes),
            Some((SegmentFile::OffsetIndex, base)) => {
                listing.offset_indexes.insert(base, entry.bytes)
            }
            Some((SegmentFile::TimeIndex, base)) => listing.time_indexes.insert(base, entry.bytes),
            Some((SegmentFile::Aborted, base)) => listing.aborted.insert(base, entry.bytes),
            Some((SegmentFile::Snapshot, end)) => {
                listing.snapshots.insert(end);
                None
            }
            None => {
                if entry.name.ends_with(TEMPORARY_SUFFIX) || entry.name.ends_with(DELETED_SUFFIX) {
                    doomed.push(dir.join(entry.name));
                }
                None
            }
        };
    }
    for (indexes, kind) in [
        (&mut listing.offset_indexes, SegmentFile::OffsetIndex),
        (&mut listing.time_indexes, SegmentFile::TimeIndex),
        (&mut listing.aborted, SegmentFile::Aborted),
    ] {
        indexes.retain(|base, _| {
            let kept = listing.segments.contains_key(base);
            if !kept {
                doomed.push(kind.path(dir, *base));
            }
            kept
        });
    }
    for path in doomed {
        context
            .disk
            .remove_file(&path)
            .map_err(unchanged(context, &path))?;
    }
    Ok(listing)
}
