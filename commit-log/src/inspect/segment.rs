//! The batches of one segment, each verified.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use trimaran_types::record_batch::{BatchError, BatchHeader, RecordBatch};
use trimaran_types::{LeaderEpoch, Offset};

use super::doubt;
use super::indexes::Ground;
use super::{Finding, OnSeen, Problem, Seen, Severity, batch_of};
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
    /// Up to where the log was synced, if it is known.
    pub(super) synced_end: Option<Offset>,
    /// The log carries the mark of one that was compacted.
    pub(super) gaps_allowed: bool,
}

/// Walks a segment. The second value says whether all of its bytes are good batches.
pub(super) fn walk(
    segment: &SegmentBytes<'_>,
    walked: &mut Walked,
    ground: &mut Ground,
    on_seen: &mut OnSeen<'_>,
) -> io::Result<(ControlFlow<()>, bool)> {
    let (flow, mut expected) = join(segment, walked, on_seen);
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
) -> (ControlFlow<()>, Offset) {
    let known = walked.end.filter(|_| !walked.broke_off);
    let from = known.unwrap_or(segment.base);
    let before = segment.base;
    if before <= from {
        return (ControlFlow::Continue(()), from);
    }
    let finding = Finding {
        problem: Problem::Hole { from, before },
        ..gap(segment, 0, from, before)
    };
    (on_seen(&Seen::Finding(&finding)), before)
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
/// are none.
fn room(
    segment: &SegmentBytes<'_>,
    position: u64,
    expected: Offset,
) -> io::Result<Option<Finding>> {
    let lacks_nothing = match segment.next {
        Some(next) => next == expected,
        None => segment.synced_end.is_none_or(|synced| synced <= expected),
    };
    if !lacks_nothing || !zeros::are_all(segment.file, position, segment.bytes)? {
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
    let may_be_torn = segment.next.is_none() && matches!(cause, Damage::Batch(_));
    let is_torn =
        may_be_torn && !has_good_batch_after(segment.file, position + 1, segment.bytes, expected)?;
    Ok(Finding {
        file: segment.path.to_owned(),
        position: Some(position),
        offset: Some(expected),
        severity: if is_torn {
            Severity::TornTail
        } else {
            Severity::Damage
        },
        problem: Problem::Batch {
            cause,
            bytes_left: segment.bytes - position,
        },
    })
}

/// What it means is for the caller to judge, who knows whether there may be gaps.
fn gap(segment: &SegmentBytes<'_>, position: u64, from: Offset, before: Offset) -> Finding {
    Finding {
        file: segment.path.to_owned(),
        position: Some(position),
        offset: Some(from),
        severity: Severity::Damage,
        problem: Problem::Gap { from, before },
    }
}
