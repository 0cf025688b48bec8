//! Planning a pass over a log that is in use.

use trimaran_types::{Offset, Timestamp, TopicPartition};

use super::plan::{CleanPlan, SegmentFacts, first_dirty, plan};
use super::settings::CompactionSettings;
use crate::disk::OpenHow;
use crate::header_hop::HeaderHop;
use crate::index::{TimeEntry, last_in_file};
use crate::log_dir::parse_partition_dir;
use crate::names::SegmentFile;
use crate::reader::{LogReader, is_true};
use crate::shared::{SegmentView, Shared};

/// The name under which the checkpoint knows a log.
pub(super) fn name_of(shared: &Shared) -> Option<TopicPartition> {
    let name = shared.dir.file_name()?.to_str()?;
    parse_partition_dir(name)
}

/// The finished segments with their ends, oldest first.
pub(super) fn sealed(segments: &[SegmentView]) -> impl Iterator<Item = (SegmentView, Offset)> {
    segments.windows(2).map(|pair| (pair[0], pair[1].base))
}

impl LogReader {
    /// What of the log could be cleaned below `limit`; `None` when nothing is dirty there, or the
    /// log is not compacted. `limit` must be no higher than the high watermark, the last stable
    /// offset, and the end of what is durable.
    #[must_use]
    pub fn plan_cleaning(
        &self,
        limit: Offset,
        settings: &CompactionSettings,
        now: Timestamp,
    ) -> Option<CleanPlan> {
        let shared = &self.shared;
        if !shared.gaps_allowed() {
            return None;
        }
        let (segments, log_start, log_end, truncations) = {
            let state = shared.read();
            (
                state.segments.clone(),
                state.log_start,
                state.log_end,
                state.truncations,
            )
        };
        let partition = name_of(shared)?;
        let checkpoint = shared.context.cleaner_offsets.get(&partition);
        let first_dirty = first_dirty(checkpoint, log_start, log_end);
        let facts: Vec<SegmentFacts> = sealed(&segments)
            .take_while(|(_, end)| *end <= limit)
            .map(|(view, end)| {
                let is_dirty = end > first_dirty;
                let looks = |wanted: bool| is_dirty && wanted;
                SegmentFacts {
                    end,
                    bytes: view.bytes,
                    first_timestamp: looks(settings.lag_ms_max < i64::MAX.unsigned_abs())
                        .then(|| first_timestamp(shared, &view))
                        .flatten(),
                    largest_timestamp: looks(settings.lag_ms_min > 0)
                        .then(|| largest_timestamp(shared, &view))
                        .flatten(),
                }
            })
            .collect();
        plan(&facts, first_dirty, limit, settings, now).map(|plan| CleanPlan {
            truncations,
            ..plan
        })
    }
}

fn first_timestamp(shared: &Shared, segment: &SegmentView) -> Option<Timestamp> {
    let file = shared.file(segment, SegmentFile::Log, OpenHow::Existing);
    let file = file.ok()?;
    let first = HeaderHop::new(file.as_ref(), 0, segment.bytes).next()?;
    first.ok().map(|placed| placed.header.max_timestamp)
}

/// By the time index, whose last entry has it; without one, or with one that lies, by the batches.
fn largest_timestamp(shared: &Shared, segment: &SegmentView) -> Option<Timestamp> {
    let last = shared
        .file(segment, SegmentFile::TimeIndex, OpenHow::Existing)
        .and_then(|index| last_in_file::<TimeEntry>(index.as_ref()));
    if let Ok(Some(entry)) = last
        && is_true(shared, segment, entry)
    {
        return Some(entry.timestamp);
    }
    let file = shared.file(segment, SegmentFile::Log, OpenHow::Existing);
    HeaderHop::new(file.ok()?.as_ref(), 0, segment.bytes)
        .map_while(Result::ok)
        .map(|placed| placed.header.max_timestamp)
        .max()
}
