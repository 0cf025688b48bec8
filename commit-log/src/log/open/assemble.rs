//! Making a [`Log`] of what its directory gave.

use std::path::Path;
use std::sync::Arc;

use trimaran_types::Offset;

use super::OpenAs;
use super::synced_end::partition_of;
use crate::config::LogConfig;
use crate::context::LogContext;
use crate::epochs::EpochCache;
use crate::log::flush::FlushState;
use crate::log::flush_pace::FlushPace;
use crate::log::journalled::{Entrance, Seat};
use crate::log::recover::{Recovered, RecoveryReport};
use crate::log::restore_producers::Restored;
use crate::log::room::Room;
use crate::log::{Active, Log};
use crate::log_dir::FlushedEnd;
use crate::shared::{ReadState, SegmentView, Shared};
use crate::tail::HotTail;

/// What the directory gave.
pub(super) struct Found {
    pub(super) epochs_on_disk: EpochCache,
    pub(super) recovered: Recovered,
    pub(super) restored: Restored,
    pub(super) noted: Option<Arc<FlushedEnd>>,
    pub(super) journal: Option<Entrance>,
}

pub(super) fn assemble(
    context: &LogContext,
    dir: &Path,
    config: LogConfig,
    start: &OpenAs,
    found: Found,
) -> (Log, RecoveryReport) {
    let Found {
        epochs_on_disk,
        recovered,
        restored,
        noted,
        journal,
    } = found;
    let segments = views(context, &recovered);
    let first = segments[0].base;
    let last = segments[segments.len() - 1];
    let log_end = recovered.log_end;
    let log_start = start.log_start.unwrap_or(first).clamp(first, log_end);
    let mut epochs = recovered.epochs;
    epochs.raise_start(log_start);
    let state = ReadState {
        generation: 0,
        truncations: 0,
        log_start,
        log_end,
        epochs: epochs.clone(),
        segments,
        offsets: recovered.offsets,
        times: recovered.times,
        aborted: restored.aborted,
        aborted_in: restored.aborted_in,
        tail: HotTail::default(),
    };
    let shared = Arc::new(Shared::new(
        context.clone(),
        dir.to_owned(),
        config.compacted,
        state,
    ));
    context.tails.register(Arc::downgrade(&shared));
    let log = Log {
        shared,
        topic_partition: partition_of(dir),
        config,
        epochs,
        epochs_on_disk: Some(epochs_on_disk.entries().to_vec()),
        aborted_on_disk: restored.sums_on_disk,
        active: Active {
            id: last.id,
            base: last.base,
            file: None,
            bytes: last.bytes,
            room: Room::none(Arc::clone(&context.room)),
            began: None,
            last_append: None,
            indexer: recovered.indexer,
            indexes: Vec::new(),
        },
        log_start,
        log_end,
        flush: FlushState::new(log_end, start.recovery_point, noted),
        pace: FlushPace::default(),
        seat: journal.map(|(journal, name, number)| Seat::new(journal, name, number, log_end)),
        oldest_age: None,
        producers: restored.states,
        snapshots: restored.snapshots,
    };
    (log, recovered.report)
}

fn views(context: &LogContext, recovered: &Recovered) -> Vec<SegmentView> {
    let view = |&(base, bytes): &(Offset, u64)| SegmentView {
        id: context.files.next_id(),
        base,
        bytes,
    };
    recovered.segments.iter().map(view).collect()
}
