//! What a log has written down about producers: aborted transactions by segment, and snapshots.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use trimaran_types::Offset;

use super::{Finding, OnSeen, Problem, Seen, Severity};
use crate::aborted::AbortedTransaction;
use crate::disk::{Disk, OpenHow};
use crate::index::{self, IndexEntry as _};
use crate::names::SegmentFile;
use crate::producers::read_snapshot;

/// Largest file of aborted transactions that is read: as many as positions in a segment.
const FILE_BYTES_MAX: u64 = i32::MAX as u64;

/// Looks at the aborted transactions of the segment at `base`, if it has some. The file has no
/// checksum; one that ends inside an entry is made anew from the batches.
pub(super) fn aborted(
    disk: &dyn Disk,
    dir: &Path,
    base: Offset,
    on_seen: &mut OnSeen<'_>,
) -> io::Result<ControlFlow<()>> {
    let path = SegmentFile::Aborted.path(dir, base);
    let file = match disk.open(&path, OpenHow::Existing) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(ControlFlow::Continue(()));
        }
        Err(error) => return Err(error),
    };
    let bytes = file.bytes()?;
    let entry_bytes = AbortedTransaction::BYTES as u64;
    if !bytes.is_multiple_of(entry_bytes) {
        let problem = Problem::PartialEntry { bytes };
        return Ok(report(path, Severity::Rebuilt, problem, on_seen));
    }
    let entries = index::load::<AbortedTransaction>(file.as_ref(), FILE_BYTES_MAX)?;
    let entries = entries.unwrap_or_default();
    if entries.len() as u64 * entry_bytes != bytes {
        let problem = Problem::AbortedTransactions;
        return Ok(report(path, Severity::Damage, problem, on_seen));
    }
    Ok(entries
        .iter()
        .try_for_each(|entry| on_seen(&Seen::Aborted(entry))))
}

/// Looks at every snapshot. A bad one costs the next start time and nothing else.
pub(super) fn snapshots(
    disk: &dyn Disk,
    dir: &Path,
    on_seen: &mut OnSeen<'_>,
) -> io::Result<ControlFlow<()>> {
    let mut names: Vec<String> = disk
        .list(dir)?
        .into_iter()
        .map(|entry| entry.name)
        .filter(|name| matches!(SegmentFile::parse(name), Some((SegmentFile::Snapshot, _))))
        .collect();
    names.sort();
    for path in names.into_iter().map(|name| dir.join(name)) {
        let file = disk.open(&path, OpenHow::Existing)?;
        let flow = match read_snapshot(file.as_ref())? {
            Some(producers) => {
                let file = &path;
                let seen = Seen::Snapshot {
                    file,
                    producers: producers.len(),
                };
                match on_seen(&seen) {
                    ControlFlow::Continue(()) => producers
                        .iter()
                        .try_for_each(|producer| on_seen(&Seen::Producer(producer))),
                    ended => ended,
                }
            }
            None => report(path, Severity::Rebuilt, Problem::Snapshot, on_seen),
        };
        if flow.is_break() {
            return Ok(flow);
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn report(
    file: PathBuf,
    severity: Severity,
    problem: Problem,
    on_seen: &mut OnSeen<'_>,
) -> ControlFlow<()> {
    on_seen(&Seen::Finding(&Finding {
        file,
        position: None,
        offset: None,
        severity,
        problem,
    }))
}
