//! The feed: pages of the committed log for whoever follows it.
//!
//! Recent entries come from memory, older ones from the raft store. An index that was purged is
//! answered with where to get a snapshot. A follower that is ahead of this controller gets an
//! empty page: this controller lags, the follower's position is not wrong.

use std::time::Duration;

use openraft::EntryPayload;
use trimaran_api::ApiError;
use trimaran_api::controller::{FeedEntry, MetadataLogPage, MetadataLogQuery, SnapshotPointer};
use trimaran_api::paths;
use trimaran_types::KafkaError;
use trimaran_types::limits::LONG_POLL_MS_MAX;

use crate::feed_ring::AppliedEntry;
use crate::node::Node;

/// Soft bound of a page whose query names none.
const PAGE_BYTES_DEFAULT: usize = 1024 * 1024;
/// Largest bound that a query may name.
const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The page that `query` asks for; waits for it when there is none yet.
///
/// # Errors
/// When the raft store cannot be read; when this controller stops and has nothing new.
pub(crate) async fn page(
    node: &Node,
    query: &MetadataLogQuery,
) -> Result<MetadataLogPage, ApiError> {
    let bytes_max = query
        .max_bytes
        .unwrap_or(PAGE_BYTES_DEFAULT)
        .clamp(1, PAGE_BYTES_MAX);
    let wait = Duration::from_millis(query.wait_ms.unwrap_or(0).min(LONG_POLL_MS_MAX));
    let oldest = node.log_start();
    let from = query.from.unwrap_or(oldest);
    let mut applied = node.published().watch();
    let stop = node.stopping();
    // Time out, a stop and a closed channel all end the wait; the page says what there is.
    tokio::select! {
        _ = tokio::time::timeout(wait, applied.wait_for(|end| *end > from)) => {}
        () = stop.cancelled() => {}
    }
    let applied_end = node.published().applied_end();
    let log_floor = node.published().log_floor();
    let mut page = MetadataLogPage {
        cluster_id: node.identity().cluster_id,
        entries: Vec::new(),
        next: from,
        applied_end,
        snapshot: None,
    };
    if from >= applied_end {
        // An empty page at once would make the follower ask again and again.
        if stop.is_cancelled() {
            let message = "this controller is stopping";
            return Err(ApiError::kafka(KafkaError::NotController, message).retriable());
        }
        return Ok(page);
    }
    let entries = match node.published().recent(from, bytes_max) {
        Some(entries) => entries,
        None if from < log_floor => Vec::new(),
        None => stored(node, from, applied_end, bytes_max).await?,
    };
    match entries.first() {
        Some(first) if first.index == from => {
            page.next = entries
                .last()
                .map_or(from, |last| last.index.saturating_add(1));
            page.entries = entries.into_iter().map(feed_entry).collect();
        }
        // It was purged, before or while it was read, or a snapshot took its place.
        _ => {
            let position = node.published().image().position;
            page.next = position.index.saturating_add(1);
            page.snapshot = Some(SnapshotPointer {
                index: position.index,
                term: position.term,
                path: paths::METADATA_SNAPSHOT.to_owned(),
            });
        }
    }
    Ok(page)
}

async fn stored(
    node: &Node,
    from: u64,
    applied_end: u64,
    bytes_max: usize,
) -> Result<Vec<AppliedEntry>, ApiError> {
    let entries = node
        .log_reader()
        .read(from, applied_end, bytes_max)
        .await
        .map_err(|error| {
            ApiError::kafka(
                KafkaError::KafkaStorageError,
                format!("cannot read the log: {error}"),
            )
        })?;
    let applied = entries.into_iter().map(|entry| AppliedEntry {
        index: entry.log_id.index,
        term: entry.log_id.leader_id.term,
        data: match entry.payload {
            EntryPayload::Normal(data) => Some(data),
            EntryPayload::Blank | EntryPayload::Membership(_) => None,
        },
    });
    Ok(applied.collect())
}

fn feed_entry(applied: AppliedEntry) -> FeedEntry {
    let entry = applied.data.as_ref().map(|data| data.entry());
    FeedEntry {
        index: applied.index,
        term: applied.term,
        timestamp: entry.map(|entry| entry.timestamp),
        base_offset: entry.map(|entry| entry.base_offset),
        decided_in_term: entry.map(|entry| entry.term),
        records: entry.map(|entry| entry.records.clone()).unwrap_or_default(),
    }
}
