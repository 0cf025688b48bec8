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
    pub(super) fn of(context: &LogContext, dir: &Path, start: &OpenAs) -> Self {
        let noted = partition_of(dir).and_then(|partition| {
            context
                .recovery_points
                .flushed_end(start.topic_id, &partition)
        });
        Self {
            at_least: start.recovery_point.max(noted.unwrap_or(Offset::ZERO)),
            is_close: noted.is_some(),
        }
    }
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
