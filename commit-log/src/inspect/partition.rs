//! One partition's directory, file by file.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use trimaran_types::{Offset, TopicId};

use super::epochs;
use super::indexes::{self, Ground};
use super::producers;
use super::rehearsal::{Rehearsal, Start};
use super::segment::{SegmentBytes, Walked, walk};
use super::{CheckpointFile, Finding, OnSeen, Problem, Seen, Severity};
use crate::disk::{Disk, DiskEntry, OpenHow};
use crate::names::{GAPS_ALLOWED, PARTITION_METADATA, SegmentFile};
use crate::{atomic_file, partition_metadata};

/// What a partition's directory holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionSummary {
    /// The directory.
    pub dir: PathBuf,
    /// The topic's id, when it is readable.
    pub topic_id: Option<TopicId>,
    /// How many segments there are.
    pub segments: usize,
    /// Good batches, the records in them, and their bytes.
    pub batches: u64,
    /// Records in good batches.
    pub records: u64,
    /// Bytes of good batches.
    pub bytes: u64,
    /// The base offset of the first segment; `None` when there is none.
    pub start: Option<Offset>,
    /// The end of the good batches.
    pub end: Option<Offset>,
    /// The worst thing found; `None` when nothing is wrong.
    pub worst: Option<Severity>,
    /// `false` when the caller ended it early.
    pub is_complete: bool,
}

impl PartitionSummary {
    /// Nothing was seen yet.
    fn empty(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            topic_id: None,
            segments: 0,
            batches: 0,
            records: 0,
            bytes: 0,
            start: None,
            end: None,
            worst: None,
            is_complete: false,
        }
    }
}

/// What the directory's checkpoints have for a partition, where it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checkpointed {
    /// Up to where everything was synced: damage below it is no torn tail.
    pub recovery_point: Option<Offset>,
    /// The same by the log's own note, which is so close to the real end that damage beyond it was
    /// never synced, whatever follows (ADR 0011).
    pub flushed_end: Option<Offset>,
    /// Where the log starts: what is missing below it was deleted.
    pub log_start: Option<Offset>,
    /// Bytes of the log that are in the journal only; see [`crate::ReadThroughJournal`].
    pub journalled_bytes: u64,
    /// A journal was damaged that may have had bytes of the log.
    pub is_journal_damaged: bool,
    /// The directory has the mark of a clean shutdown: nothing in it was cut short, and no log has room.
    pub clean_shutdown: bool,
}

impl Checkpointed {
    /// Everything below it was synced.
    pub(super) fn synced_end(&self) -> Option<Offset> {
        self.recovery_point.max(self.flushed_end)
    }

    /// Whether all that ends at `before` was deleted.
    fn is_deleted(&self, before: Offset) -> bool {
        Some(before) <= self.log_start
    }

    /// What the finding means: what lies below the log start is nobody's any more.
    fn severity_of(&self, finding: &Finding) -> Severity {
        match finding.problem {
            Problem::Gap { before, .. } | Problem::Hole { before, .. }
                if self.is_deleted(before) =>
            {
                Severity::Note
            }
            Problem::NotJoined { end, .. } if self.is_deleted(end) => Severity::Note,
            _ => finding.severity,
        }
    }
}

/// Looks at everything in `dir` and tells of each thing. `known` is what the checkpoints say of it.
///
/// A swap that was interrupted is seen as the next start ends it. [`Severity::Damage`] is told where that
/// start calls the log damaged, and where it does not look and the bytes are bad all the same.
///
/// # Errors
/// The system refused. What is wrong with the files is told, not returned.
pub fn inspect_partition(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    known: &Checkpointed,
    on_seen: &mut OnSeen<'_>,
) -> io::Result<PartitionSummary> {
    let mut worst = None;
    let Rehearsal { files, start } = Rehearsal::of(disk, dir, known)?;
    let entries = files.list(dir)?;
    let gaps_allowed = entries.iter().any(|entry| entry.name == GAPS_ALLOWED);
    let segments = segments(entries);
    let mut judged = |seen: &Seen<'_>| {
        let Seen::Finding(finding) = seen else {
            return on_seen(seen);
        };
        let mut finding = (*finding).clone();
        finding.severity = known.severity_of(&finding);
        worst = worst.max(Some(finding.severity));
        on_seen(&Seen::Finding(&finding))
    };
    let mut summary = PartitionSummary {
        segments: segments.len(),
        start: segments.keys().next().copied(),
        ..PartitionSummary::empty(dir)
    };
    let mut walked = Walked::default();
    let inspected = Inspected {
        disk: files.as_ref(),
        dir,
        known,
        start: &start,
        segments: &segments,
        gaps_allowed,
    };
    let mut flow = match journal(dir, known, &mut judged) {
        ControlFlow::Break(()) => ControlFlow::Break(()),
        ControlFlow::Continue(()) => {
            inspected.files(&mut summary.topic_id, &mut walked, &mut judged)?
        }
    };
    if let Start::Refused(refusal) = &start
        && worst < Some(Severity::Damage)
        && flow.is_continue()
    {
        worst = Some(Severity::Damage);
        flow = on_seen(&Seen::Finding(&refusal.finding()));
    }
    summary.is_complete = flow.is_continue();
    summary.batches = walked.batches;
    summary.records = walked.records;
    summary.bytes = walked.bytes;
    summary.end = walked.end;
    summary.worst = worst;
    Ok(summary)
}

/// Base offset and bytes of the segments among the names.
pub(super) fn segments(entries: Vec<DiskEntry>) -> BTreeMap<Offset, u64> {
    let log = |entry: DiskEntry| match SegmentFile::parse(&entry.name) {
        Some((SegmentFile::Log, base)) if !entry.is_dir => Some((base, entry.bytes)),
        _ => None,
    };
    entries.into_iter().filter_map(log).collect()
}

/// What the directory's journal means for the log.
fn journal(dir: &Path, known: &Checkpointed, on_seen: &mut OnSeen<'_>) -> ControlFlow<()> {
    let bytes = known.journalled_bytes;
    let (severity, problem) = match (known.is_journal_damaged, bytes) {
        (true, _) => (Severity::Damage, Problem::Journal),
        (false, 0) => return ControlFlow::Continue(()),
        (false, _) => (Severity::Note, Problem::Journalled { bytes }),
    };
    on_seen(&Seen::Finding(&Finding {
        file: dir.to_owned(),
        position: None,
        offset: None,
        severity,
        problem,
    }))
}

/// That nothing of a log is there.
fn no_segments(dir: &Path, synced_end: Option<Offset>) -> Finding {
    Finding {
        file: dir.to_owned(),
        position: None,
        offset: None,
        severity: Severity::Damage,
        problem: Problem::NoSegments { synced_end },
    }
}

/// The partitions that the checkpoints `files` of the directory `dir` know as begun, and whose folder
/// is not `among` those that were found: each is lost.
#[must_use]
pub fn lost_partitions(
    files: &[CheckpointFile],
    dir: &Path,
    among: &[PathBuf],
) -> Vec<(PartitionSummary, Finding)> {
    let begun = files.iter().filter_map(CheckpointFile::recovery_points);
    begun
        .flatten()
        .map(|(partition, point)| (dir.join(partition.to_string()), *point))
        .filter(|(folder, _)| !among.contains(folder))
        .map(|(folder, point)| {
            let finding = no_segments(&folder, Some(point));
            let summary = PartitionSummary {
                worst: Some(finding.severity),
                is_complete: true,
                ..PartitionSummary::empty(&folder)
            };
            (summary, finding)
        })
        .collect()
}

/// A partition's files, and what is known of them.
struct Inspected<'a> {
    disk: &'a dyn Disk,
    dir: &'a Path,
    known: &'a Checkpointed,
    start: &'a Start,
    segments: &'a BTreeMap<Offset, u64>,
    gaps_allowed: bool,
}

impl Inspected<'_> {
    fn files(
        &self,
        topic_id: &mut Option<TopicId>,
        walked: &mut Walked,
        on_seen: &mut OnSeen<'_>,
    ) -> io::Result<ControlFlow<()>> {
        let synced_end = self.known.synced_end();
        let (disk, dir) = (self.disk, self.dir);
        *topic_id = match topic(disk, dir, !self.segments.is_empty(), on_seen)? {
            ControlFlow::Continue(id) => id,
            ControlFlow::Break(()) => return Ok(ControlFlow::Break(())),
        };
        if self.segments.is_empty() && (synced_end.is_some() || topic_id.is_none()) {
            let finding = no_segments(dir, synced_end);
            return Ok(on_seen(&Seen::Finding(&finding)));
        }
        for (&base, &bytes) in self.segments {
            if self.segment(base, bytes, walked, on_seen)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        if let (Some(end), Some(synced_end)) = (walked.end, synced_end)
            && end < synced_end
        {
            let finding = Finding {
                file: dir.to_owned(),
                position: None,
                offset: Some(end),
                severity: Severity::Damage,
                problem: Problem::EndsTooEarly { end, synced_end },
            };
            if on_seen(&Seen::Finding(&finding)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        if producers::snapshots(disk, dir, on_seen)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        epochs::inspect(disk, dir, (walked, self.known, self.start), on_seen)
    }

    fn segment(
        &self,
        base: Offset,
        bytes: u64,
        walked: &mut Walked,
        on_seen: &mut OnSeen<'_>,
    ) -> io::Result<ControlFlow<()>> {
        let (disk, dir) = (self.disk, self.dir);
        let next = self.segments.range(base.next()..).next();
        let next = next.map(|(next, _)| *next);
        // A deletion that a stop broke off may have left any of it, and no start looks at it.
        let is_deleted = next.is_some_and(|next| self.known.is_deleted(next));
        let mut on_seen = |seen: &Seen<'_>| match seen {
            Seen::Finding(finding) if is_deleted => {
                let mut finding = (*finding).clone();
                finding.severity = Severity::Note;
                on_seen(&Seen::Finding(&finding))
            }
            seen => on_seen(seen),
        };
        let path = SegmentFile::Log.path(dir, base);
        let seen = Seen::Segment {
            file: &path,
            base,
            bytes,
        };
        if on_seen(&seen).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let file = disk.open(&path, OpenHow::Existing)?;
        let segment = SegmentBytes {
            path: &path,
            file: file.as_ref(),
            base,
            bytes,
            next,
            known: self.known,
            start: self.start,
            gaps_allowed: self.gaps_allowed,
        };
        let mut ground = Ground::default();
        let (flow, is_whole) = walk(&segment, walked, &mut ground, &mut on_seen)?;
        if flow.is_break()
            || indexes::inspect(disk, dir, base, (&ground, is_whole), &mut on_seen)?.is_break()
        {
            return Ok(ControlFlow::Break(()));
        }
        producers::aborted(disk, dir, base, &mut on_seen)
    }
}

fn topic(
    disk: &dyn Disk,
    dir: &Path,
    has_segments: bool,
    on_seen: &mut OnSeen<'_>,
) -> io::Result<ControlFlow<(), Option<TopicId>>> {
    let file = dir.join(PARTITION_METADATA);
    let text = read_text(disk, &file)?;
    let finding = |problem| Finding {
        file: file.clone(),
        position: None,
        offset: None,
        severity: Severity::Damage,
        problem,
    };
    let (flow, id) = match text.as_deref().map(partition_metadata::parse) {
        Some(Some(id)) => (on_seen(&Seen::Topic(id)), Some(id)),
        Some(None) => (on_seen(&Seen::Finding(&finding(Problem::Unreadable))), None),
        None if has_segments => (on_seen(&Seen::Finding(&finding(Problem::Missing))), None),
        None => (ControlFlow::Continue(()), None),
    };
    Ok(match flow {
        ControlFlow::Continue(()) => ControlFlow::Continue(id),
        ControlFlow::Break(()) => ControlFlow::Break(()),
    })
}

/// The text of a small file; what is no text is taken for an empty one.
pub(super) fn read_text(disk: &dyn Disk, file: &Path) -> io::Result<Option<String>> {
    match atomic_file::read_text(disk, file) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Some(String::new())),
        read => read,
    }
}
