//! [`SyncedEnd`]: up to where a log is known to have been synced, before it is looked at.

use std::path::Path;
use std::sync::Arc;

use trimaran_types::{Offset, TopicPartition};

use super::OpenAs;
use super::error::{OpenError, unchanged};
use crate::context::LogContext;
use crate::log_dir::{FlushedEnd, parse_partition_dir};

/// What is known about the end of what was synced, before the log is looked at.
#[derive(Debug, Clone, Copy)]
pub(in crate::log) struct SyncedEnd {
    /// Every record below it was synced.
    pub at_least: Offset,
    /// It is so close to the real end that a good batch behind damage beyond it proves nothing
    /// (ADR 0011).
    pub is_close: bool,
}

impl SyncedEnd {
    pub(super) fn new(recovery_point: Offset, flushed_end: Option<Offset>) -> Self {
        Self {
            at_least: recovery_point.max(flushed_end.unwrap_or(Offset::ZERO)),
            is_close: flushed_end.is_some(),
        }
    }
}

/// The flushed end that the log has noted.
pub(super) fn flushed_end_of(context: &LogContext, dir: &Path, start: &OpenAs) -> Option<Offset> {
    let points = &context.recovery_points;
    points.flushed_end(start.topic_id, &partition_of(dir)?)
}

/// The partition that the directory is named after, if it is.
pub(super) fn partition_of(dir: &Path) -> Option<TopicPartition> {
    parse_partition_dir(dir.file_name()?.to_str()?)
}

/// Notes that the log is durable up to `end`, as it is after recovery.
pub(super) fn note_end(
    context: &LogContext,
    dir: &Path,
    start: &OpenAs,
    end: Offset,
) -> Result<Option<Arc<FlushedEnd>>, OpenError> {
    let Some(partition) = partition_of(dir) else {
        return Ok(None);
    };
    let claimed = context
        .recovery_points
        .claim(start.topic_id, &partition, end);
    claimed.map_err(unchanged(context, dir))
}
