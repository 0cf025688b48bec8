//! One partition's directory, file by file.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use trimaran_types::{Offset, TopicId};

use super::indexes::{self, Ground};
use super::producers;
use super::segment::{SegmentBytes, Walked, walk};
use super::{CheckpointFile, Finding, OnSeen, Problem, Seen, Severity};
use crate::disk::{Disk, DiskEntry, OpenHow};
use crate::names::{GAPS_ALLOWED, LEADER_EPOCH_CHECKPOINT, PARTITION_METADATA, SegmentFile};
use crate::{atomic_file, epoch_file, partition_metadata};

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
}

impl Checkpointed {
    fn synced_end(&self) -> Option<Offset> {
        self.recovery_point.max(self.flushed_end)
    }

    /// What the finding means, which the files alone do not tell. `gaps_allowed` says that the log
    /// carries the mark of one that was compacted.
    fn severity_of(&self, finding: &Finding, gaps_allowed: bool) -> Severity {
        let is_deleted = |before: Offset| Some(before) <= self.log_start;
        match finding.problem {
            Problem::Gap { before, .. } if gaps_allowed || is_deleted(before) => Severity::Note,
            Problem::Hole { before, .. } if is_deleted(before) => Severity::Note,
            Problem::NotJoined { end, .. } if is_deleted(end) => Severity::Note,
            // No power cut leaves these, wherever they lie.
            Problem::Gap { .. } | Problem::NotJoined { .. } => Severity::Damage,
            Problem::Hole { .. } | Problem::Batch { .. } => {
                let is_synced = finding
                    .offset
                    .is_some_and(|at| Some(at) < self.synced_end());
                match (is_synced, self.flushed_end) {
                    (true, _) => Severity::Damage,
                    (false, Some(_)) => Severity::TornTail,
                    (false, None) => finding.severity,
                }
            }
            // Below it the next start believes the file, and readers give no batch that differs.
            Problem::EpochsDiffer { start } if Some(start) < self.recovery_point => {
                Severity::Damage
            }
            _ => finding.severity,
        }
    }
}

/// Looks at everything in `dir` and tells of each thing. `known` is what the checkpoints say of it.
///
/// # Errors
/// The system refused. What is wrong with the files is told, not returned.
pub fn inspect_partition(
    disk: &dyn Disk,
    dir: &Path,
    known: &Checkpointed,
    on_seen: &mut OnSeen<'_>,
) -> io::Result<PartitionSummary> {
    let mut worst = None;
    let entries = disk.list(dir)?;
    let gaps_allowed = entries.iter().any(|entry| entry.name == GAPS_ALLOWED);
    let segments = segments(entries);
    let mut judged = |seen: &Seen<'_>| {
        let Seen::Finding(finding) = seen else {
            return on_seen(seen);
        };
        let mut finding = (*finding).clone();
        finding.severity = known.severity_of(&finding, gaps_allowed);
        worst = worst.max(Some(finding.severity));
        on_seen(&Seen::Finding(&finding))
    };
    let mut summary = PartitionSummary {
        segments: segments.len(),
        start: segments.keys().next().copied(),
        ..PartitionSummary::empty(dir)
    };
    let mut walked = Walked::default();
    let flow = match journal(dir, known, &mut judged) {
        ControlFlow::Break(()) => ControlFlow::Break(()),
        ControlFlow::Continue(()) => inspect_files(
            disk,
            dir,
            (&segments, known, gaps_allowed),
            (&mut summary.topic_id, &mut walked),
            &mut judged,
        )?,
    };
    summary.is_complete = flow.is_continue();
    summary.batches = walked.batches;
    summary.records = walked.records;
    summary.bytes = walked.bytes;
    summary.end = walked.end;
    summary.worst = worst;
    Ok(summary)
}

fn segments(entries: Vec<DiskEntry>) -> BTreeMap<Offset, u64> {
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

fn inspect_files(
    disk: &dyn Disk,
    dir: &Path,
    (segments, known, gaps_allowed): (&BTreeMap<Offset, u64>, &Checkpointed, bool),
    (topic_id, walked): (&mut Option<TopicId>, &mut Walked),
    on_seen: &mut OnSeen<'_>,
) -> io::Result<ControlFlow<()>> {
    let synced_end = known.synced_end();
    *topic_id = match topic(disk, dir, !segments.is_empty(), on_seen)? {
        ControlFlow::Continue(id) => id,
        ControlFlow::Break(()) => return Ok(ControlFlow::Break(())),
    };
    if segments.is_empty() && (synced_end.is_some() || topic_id.is_none()) {
        let finding = no_segments(dir, synced_end);
        return Ok(on_seen(&Seen::Finding(&finding)));
    }
    for (&base, &bytes) in segments {
        let next = segments.range(base.next()..).next().map(|(next, _)| *next);
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
            synced_end,
            gaps_allowed,
        };
        let mut ground = Ground::default();
        let (flow, is_whole) = walk(&segment, walked, &mut ground, on_seen)?;
        if flow.is_break()
            || indexes::inspect(disk, dir, base, (&ground, is_whole), on_seen)?.is_break()
            || producers::aborted(disk, dir, base, on_seen)?.is_break()
        {
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
    epochs(disk, dir, (walked, known.log_start), on_seen)
}

fn topic(
    disk: &dyn Disk,
    dir: &Path,
    has_segments: bool,
    on_seen: &mut OnSeen<'_>,
) -> io::Result<ControlFlow<(), Option<TopicId>>> {
    let file = dir.join(PARTITION_METADATA);
    let text = read(disk, &file)?;
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

/// The epoch checkpoint, against the batches. It may know of epochs that have no record, and it is
/// written at checkpoints only, so the latest epochs of the log may be absent in it, and those below
/// the log's start.
fn epochs(
    disk: &dyn Disk,
    dir: &Path,
    (walked, log_start): (&Walked, Option<Offset>),
    on_seen: &mut OnSeen<'_>,
) -> io::Result<ControlFlow<()>> {
    let file = dir.join(LEADER_EPOCH_CHECKPOINT);
    let Some(text) = read(disk, &file)? else {
        return Ok(ControlFlow::Continue(()));
    };
    let finding = |offset, problem| Finding {
        file: file.clone(),
        position: None,
        offset,
        severity: Severity::Rebuilt,
        problem,
    };
    let Some(cache) = epoch_file::parse(&text) else {
        return Ok(on_seen(&Seen::Finding(&finding(None, Problem::Unreadable))));
    };
    if on_seen(&Seen::Epochs(cache.entries())).is_break() {
        return Ok(ControlFlow::Break(()));
    }
    let last_known = cache.entries().last().map(|entry| entry.epoch);
    let started = walked
        .epochs
        .partition_point(|epoch| Some(epoch.start) <= log_start);
    // With all records deleted, none of their epochs need be known.
    let is_empty = log_start.is_some() && walked.end <= log_start;
    let kept = &walked.epochs[started.saturating_sub(usize::from(!is_empty))..];
    let differs = kept.iter().enumerate().find(|(number, walked)| {
        let known = cache
            .entries()
            .iter()
            .find(|known| known.epoch == walked.epoch);
        match known {
            // The log's start may have passed the epoch's, and a start after a crash learns the epoch from
            // the segment on that holds the log's start.
            Some(known) if *number == 0 => Some(known.start) > log_start.max(Some(walked.start)),
            Some(known) => known.start != walked.start,
            None => Some(walked.epoch) < last_known,
        }
    });
    Ok(match differs {
        Some((_, differing)) => {
            let start = differing.start;
            let problem = Problem::EpochsDiffer { start };
            on_seen(&Seen::Finding(&finding(Some(start), problem)))
        }
        None => ControlFlow::Continue(()),
    })
}

fn read(disk: &dyn Disk, file: &Path) -> io::Result<Option<String>> {
    match atomic_file::read_text(disk, file) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Some(String::new())),
        read => read,
    }
}
