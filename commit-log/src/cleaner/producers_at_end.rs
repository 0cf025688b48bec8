//! Where the log's producers stood at the end of a plan.
//!
//! What lies beyond the plan may still be lost, in a power cut or by the word of the next leader. Then
//! a producer's last batch below the plan's end is its last one again, and the only place that a
//! recovery or a new follower learns its numbers from (promise P-ONCE). So that one stays, too, until
//! a pass has a later one of the same producer in its plan.

use trimaran_types::Offset;

use super::pass::Task;
use super::{CleanControl, CleanError};
use crate::log::Replay;
use crate::producers::{ProducerEnd, ProducerStates, load_snapshot};
use crate::shared::SegmentView;

/// Where every producer stood when the log ended with the plan; none where nobody that is live has
/// written beyond it, since nothing else is to be known then.
///
/// The segment behind the plan begins with a snapshot of the producers. Where it is missing or
/// damaged, the batches behind an earlier one tell, or all of the plan's.
pub(super) fn producers_at_end(
    task: &Task<'_>,
    live: &[ProducerEnd],
    sources: &[SegmentView],
    control: &mut dyn CleanControl,
) -> Result<Vec<ProducerEnd>, CleanError> {
    let end = task.plan.before;
    let is_within = |producer: &ProducerEnd| producer.last_offset.is_some_and(|last| last < end);
    if live.iter().all(is_within) {
        return Ok(Vec::new());
    }
    if let Some(states) = snapshot(task, end)? {
        return Ok(states.ends());
    }
    let mut states = ProducerStates::default();
    let mut first = 0;
    for (at, source) in sources.iter().enumerate().skip(1).rev() {
        if let Some(found) = snapshot(task, source.base)? {
            (states, first) = (found, at);
            break;
        }
    }
    for source in &sources[first..] {
        let replay = Replay {
            disk: task.shared.context.disk.as_ref(),
            dir: &task.shared.dir,
            segments: &[(source.base, source.bytes)],
            begins: None,
            verified_from: Offset(i64::MAX),
            gaps_allowed: task.shared.gaps_allowed(),
        };
        replay.run(source.base, end, &mut states, &mut |_, _| {})?;
        task.go_on_after(source.bytes, control)?;
    }
    Ok(states.ends())
}

fn snapshot(task: &Task<'_>, end: Offset) -> Result<Option<ProducerStates>, CleanError> {
    let dir = &task.shared.dir;
    load_snapshot(task.shared.context.disk.as_ref(), dir, end).map_err(|source| CleanError::Read {
        path: dir.clone(),
        source,
    })
}
