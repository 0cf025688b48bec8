//! The batches of one segment, each verified.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use trimaran_types::record_batch::{BatchError, BatchHeader, RecordBatch};
use trimaran_types::{LeaderEpoch, Offset};

use super::doubt;
use super::indexes::Ground;
use super::rehearsal::Start;
use super::{Checkpointed, Finding, OnSeen, Problem, Seen, Severity, batch_of};
use crate::damage::Damage;
use crate::disk::DiskFile;
use crate::epochs::EpochStart;
use crate::header_hop::{HeaderHop, HopError};
use crate::segment_scan::{check_order, has_good_batch_after};
use crate::zeros;

/// What the walk knows from the batches before, over all segments.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Where the good batches end; `None` before the first segment.
    pub(super) end: Option<Offset>,
    /// The last segment was not read to its end: where the next one begins says nothing.
    broke_off: bool,
    pub(super) latest_epoch: Option<LeaderEpoch>,
    pub(super) epochs: Vec<EpochStart>,
    pub(super) batches: u64,
    pub(super) records: u64,
    pub(super) bytes: u64,
}

impl Walked {
    fn add(&mut self, header: &BatchHeader, epoch: LeaderEpoch) {
        if self.latest_epoch != Some(epoch) {
            self.latest_epoch = Some(epoch);
            self.epochs.push(EpochStart {
                epoch,
                start: header.base_offset,
            });
        }
        self.end = Some(header.next_offset());
        self.batches += 1;
        self.records += u64::from(header.record_count);
        self.bytes += header.total_bytes() as u64;
    }
}

/// A segment's file, as the walk needs it.
pub(super) struct SegmentBytes<'a> {
    pub(super) path: &'a Path,
    pub(super) file: &'a dyn DiskFile,
    pub(super) base: Offset,
    pub(super) bytes: u64,
    /// Where the next segment begins; `None` for the last one.
    pub(super) next: Option<Offset>,
    /// What the checkpoints say of the log.
    pub(super) known: &'a Checkpointed,
    /// What the next start does with it.
    pub(super) start: &'a Start,
    /// The log carries the mark of one that was compacted.
    pub(super) gaps_allowed: bool,
}

impl SegmentBytes<'_> {
    /// Whether the next start cuts what lies at `position`, where the good batches end with `end`.
    pub(super) fn is_cut_at(&self, position: u64, end: Offset) -> bool {
        match self.start {
            Start::Opened(opened) => opened.has_cut(self.base, position),
            _ => self.known.synced_end().is_none_or(|synced| end >= synced),
        }
    }

    /// Whether the next start removes the segment at `next`, before which the good batches end with `end`.
    pub(super) fn is_removed(&self, next: Offset, end: Offset) -> bool {
        match self.start {
            Start::Opened(opened) => opened.has_removed(next),
            _ => self.known.synced_end().is_some_and(|synced| end >= synced),
        }
    }

    /// What it means that something is wrong there. `looks_torn` is asked where neither start nor
    /// checkpoints tell.
    fn severity_at(
        &self,
        position: u64,
        expected: Offset,
        looks_torn: impl FnOnce() -> io::Result<bool>,
    ) -> io::Result<Severity> {
        let is_torn = match self.start {
            Start::Opened(opened) => opened.has_cut(self.base, position),
            Start::Refused(refusal) if refusal.offset == expected => false,
            _ if self.known.clean_shutdown => false,
            _ if Some(expected) < self.known.synced_end() => false,
            _ => self.known.flushed_end.is_some() || looks_torn()?,
        };
        Ok(if is_torn {
            Severity::TornTail
        } else {
            Severity::Damage
        })
    }
}

/// Walks a segment. The second value says whether all of its bytes are good batches.
pub(super) fn walk(
    segment: &SegmentBytes<'_>,
    walked: &mut Walked,
    ground: &mut Ground,
    on_seen: &mut OnSeen<'_>,
) -> io::Result<(ControlFlow<()>, bool)> {
    let (flow, mut expected) = join(segment, walked, on_seen)?;
    let mut last = None;
    walked.broke_off = true;
    if flow.is_break() {
        return Ok((flow, false));
    }
    for placed in HeaderHop::new(segment.file, 0, segment.bytes) {
        let (position, verified) = match placed {
            Ok(placed) => (placed.position, read(segment.file, placed)?),
            Err(HopError::Io(error)) => return Err(error),
            Err(HopError::Batch { position, cause }) => (position, Err(cause.into())),
        };
        let checked = verified.and_then(|batch| {
            check_order(*batch.header(), expected, walked.latest_epoch, true)
                .map(|(_, epoch)| (batch, epoch))
        });
        let (batch, epoch) = match checked {
            Ok(good) => good,
            Err(cause) => {
                let findings = stop(segment, walked, last, (position, expected), cause)?;
                return Ok((tell(findings, on_seen), false));
            }
        };
        let header = *batch.header();
        if header.base_offset > expected {
            let gap = gap(segment, position, expected, header.base_offset);
            let before = doubt::before_gap(segment, last, (expected, header.base_offset));
            if tell(before.into_iter().chain([gap]), on_seen).is_break() {
                return Ok((ControlFlow::Break(()), false));
            }
        }
        last = Some((position, header.base_offset));
        expected = header.next_offset();
        walked.add(&header, epoch);
        ground.add(
            segment.base,
            header.last_offset(),
            position,
            header.max_timestamp,
        );
        let seen = Seen::Batch {
            position,
            header: &header,
            batch: &batch,
        };
        if on_seen(&seen).is_break() {
            return Ok((ControlFlow::Break(()), false));
        }
    }
    // A segment without a batch still says where the log goes on.
    walked.end = Some(expected.max(segment.base));
    walked.broke_off = false;
    let at_end = doubt::at_end(segment, last, expected);
    Ok((tell(at_end, on_seen), true))
}

/// Why the walk ends at a place: room, or damage, and what the damage says of the batch before it.
fn stop(
    segment: &SegmentBytes<'_>,
    walked: &mut Walked,
    last: Option<(u64, Offset)>,
    (position, expected): (u64, Offset),
    cause: Damage,
) -> io::Result<Vec<Finding>> {
    if let Some(room) = room(segment, position, expected)? {
        walked.end = Some(expected.max(segment.base));
        return Ok(vec![room]);
    }
    let before = doubt::before_damage(segment, last, (position, expected))?;
    let broken = broken(segment, position, expected, cause)?;
    Ok(before.into_iter().chain([broken]).collect())
}

fn tell(findings: impl IntoIterator<Item = Finding>, on_seen: &mut OnSeen<'_>) -> ControlFlow<()> {
    findings
        .into_iter()
        .try_for_each(|finding| on_seen(&Seen::Finding(&finding)))
}

/// Where the segment's first batch is expected. What is missing before it is said here, since a
/// segment may be empty.
fn join(
    segment: &SegmentBytes<'_>,
    walked: &Walked,
    on_seen: &mut OnSeen<'_>,
) -> io::Result<(ControlFlow<()>, Offset)> {
    let known = walked.end.filter(|_| !walked.broke_off);
    let from = known.unwrap_or(segment.base);
    let before = segment.base;
    if before <= from {
        return Ok((ControlFlow::Continue(()), from));
    }
    let finding = Finding {
        severity: match segment.start {
            Start::Opened(opened) if opened.has_removed(before) => Severity::TornTail,
            Start::Opened(_) => Severity::Damage,
            _ => segment.severity_at(0, from, || Ok(false))?,
        },
        problem: Problem::Hole { from, before },
        ..gap(segment, 0, from, before)
    };
    Ok((on_seen(&Seen::Finding(&finding)), before))
}

fn read(
    file: &dyn DiskFile,
    placed: crate::header_hop::PlacedHeader,
) -> io::Result<Result<RecordBatch, Damage>> {
    let mut bytes = Vec::new();
    let need = placed.header.total_bytes();
    file.read_at(placed.position, need, &mut bytes)?;
    let have = bytes.len();
    if let Err(error) = RecordBatch::verify_front(&bytes) {
        return Ok(Err(error.into()));
    }
    Ok(batch_of(bytes).ok_or_else(|| BatchError::Truncated { have, need }.into()))
}

/// The finding that the rest of the file is room; `None` when it is not. Zeros that hide a record
/// are none, nor are those that the next start leaves where they are.
fn room(
    segment: &SegmentBytes<'_>,
    position: u64,
    expected: Offset,
) -> io::Result<Option<Finding>> {
    let synced_end = segment.known.synced_end();
    let lacks_nothing = match segment.next {
        Some(next) => next == expected,
        None => synced_end.is_none_or(|synced| synced <= expected),
    };
    let is_cut_as_room = match segment.start {
        Start::Opened(opened) => {
            opened.has_cut(segment.base, position)
                && !opened.has_removed(segment.base)
                && !opened.is_torn_at(segment.path, position)
        }
        Start::Refused(refusal) => refusal.offset != expected && !segment.known.clean_shutdown,
        Start::Unknown => !segment.known.clean_shutdown,
    };
    if !lacks_nothing || !is_cut_as_room || !zeros::are_all(segment.file, position, segment.bytes)?
    {
        return Ok(None);
    }
    Ok(Some(Finding {
        file: segment.path.to_owned(),
        position: Some(position),
        offset: Some(expected),
        severity: Severity::Note,
        problem: Problem::Room {
            bytes: segment.bytes - position,
        },
    }))
}

fn broken(
    segment: &SegmentBytes<'_>,
    position: u64,
    expected: Offset,
    cause: Damage,
) -> io::Result<Finding> {
    let looks_torn = || {
        let may_be = segment.next.is_none() && matches!(cause, Damage::Batch(_));
        let has_more = || {
            let (from, end) = (position + 1, segment.bytes);
            has_good_batch_after(segment.file, from, end, expected)
        };
        Ok(may_be && !has_more()?)
    };
    let severity = segment.severity_at(position, expected, looks_torn)?;
    Ok(Finding {
        file: segment.path.to_owned(),
        position: Some(position),
        offset: Some(expected),
        severity,
        problem: Problem::Batch {
            cause,
            bytes_left: segment.bytes - position,
        },
    })
}

/// No power cut leaves a gap, wherever it lies, unless in a segment that goes as a whole.
fn gap(segment: &SegmentBytes<'_>, position: u64, from: Offset, before: Offset) -> Finding {
    let is_cut = match segment.start {
        Start::Opened(opened) => opened.has_cut(segment.base, position),
        _ => false,
    };
    Finding {
        file: segment.path.to_owned(),
        position: Some(position),
        offset: Some(from),
        severity: match (segment.gaps_allowed, is_cut) {
            (true, _) => Severity::Note,
            (false, true) => Severity::TornTail,
            (false, false) => Severity::Damage,
        },
        problem: Problem::Gap { from, before },
    }
}
