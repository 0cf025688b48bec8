//! The checkpoint of leader epochs, against the batches.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use trimaran_types::Offset;

use super::partition::read_text;
use super::rehearsal::Start;
use super::segment::Walked;
use super::{Checkpointed, Finding, OnSeen, Problem, Seen, Severity};
use crate::disk::Disk;
use crate::epoch_file;
use crate::epochs::EpochStart;
use crate::names::LEADER_EPOCH_CHECKPOINT;

/// The epoch checkpoint, against the batches. It may know of epochs that have no record, and it is
/// written at checkpoints only, so the latest epochs of the log may be absent in it, and those below
/// the log's start. Where it differs, it is damage unless the next start learns better: readers give no
/// batch that has another epoch than the log knows.
pub(super) fn inspect(
    disk: &dyn Disk,
    dir: &Path,
    (walked, known, start): (&Walked, &Checkpointed, &Start),
    on_seen: &mut OnSeen<'_>,
) -> io::Result<ControlFlow<()>> {
    let file = dir.join(LEADER_EPOCH_CHECKPOINT);
    let Some(text) = read_text(disk, &file)? else {
        return Ok(ControlFlow::Continue(()));
    };
    let finding = |offset, severity, problem| Finding {
        file: file.clone(),
        position: None,
        offset,
        severity,
        problem,
    };
    let Some(cache) = epoch_file::parse(&text) else {
        let unreadable = finding(None, Severity::Rebuilt, Problem::Unreadable);
        return Ok(on_seen(&Seen::Finding(&unreadable)));
    };
    if on_seen(&Seen::Epochs(cache.entries())).is_break() {
        return Ok(ControlFlow::Break(()));
    }
    let started = walked
        .epochs
        .partition_point(|epoch| Some(epoch.start) <= known.log_start);
    // With all records deleted, none of their epochs need be known.
    let is_empty = known.log_start.is_some() && walked.end <= known.log_start;
    let kept = &walked.epochs[started.saturating_sub(usize::from(!is_empty))..];
    let Some(start_offset) = differing(kept, cache.entries(), known.log_start) else {
        return Ok(ControlFlow::Continue(()));
    };
    let is_damage = match start {
        Start::Opened(opened) => {
            let stays = kept.partition_point(|epoch| epoch.start < opened.log_end);
            differing(&kept[..stays], &opened.epochs, known.log_start).is_some()
        }
        // Below it a start believes the file.
        _ => Some(start_offset) < known.recovery_point,
    };
    let severity = if is_damage {
        Severity::Damage
    } else {
        Severity::Rebuilt
    };
    let problem = Problem::EpochsDiffer {
        start: start_offset,
    };
    let differs = finding(Some(start_offset), severity, problem);
    Ok(on_seen(&Seen::Finding(&differs)))
}

/// Where the first epoch of the batches starts that the list does not have in this way.
fn differing(
    walked: &[EpochStart],
    list: &[EpochStart],
    log_start: Option<Offset>,
) -> Option<Offset> {
    let last_known = list.last().map(|entry| entry.epoch);
    let differs = walked.iter().enumerate().find(|(number, walked)| {
        match list.iter().find(|known| known.epoch == walked.epoch) {
            // The log's start may have passed the epoch's, and a start after a crash learns the epoch from
            // the segment on that holds the log's start.
            Some(known) if *number == 0 => Some(known.start) > log_start.max(Some(walked.start)),
            Some(known) => known.start != walked.start,
            None => Some(walked.epoch) < last_known,
        }
    });
    differs.map(|(_, epoch)| epoch.start)
}
