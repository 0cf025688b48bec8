//! The metadata feed: brokers and people pull the committed log.

use serde::{Deserialize, Serialize};
use trimaran_metadata::MetadataRecord;
use trimaran_types::{ClusterId, MetadataOffset, Timestamp};

/// Query of `GET /v1/metadata/log`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataLogQuery {
    /// First raft index wanted; absent: the oldest that is kept.
    #[serde(default)]
    pub from: Option<u64>,
    /// Soft bound of the answer in bytes; one entry is always whole. Default 1 MiB, at most 8 MiB.
    #[serde(default)]
    pub max_bytes: Option<usize>,
    /// How long to wait for an entry at `from` before an empty answer. Default 0, at most 60 s.
    #[serde(default)]
    pub wait_ms: Option<u64>,
}

/// One committed raft entry as the image met it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeedEntry {
    /// Its raft index.
    pub index: u64,
    /// Its raft term.
    pub term: u64,
    /// When it was decided; absent on entries that carry no records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
    /// The guard of the entry: the offset of its first record. Absent like the timestamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_offset: Option<MetadataOffset>,
    /// The term that it was decided in, for the guard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_in_term: Option<u64>,
    /// Its records; a follower replays them through the same guard. Empty on blank entries.
    #[serde(default)]
    pub records: Vec<MetadataRecord>,
}

/// Where to start when the entry asked for is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotPointer {
    /// Raft index of the last entry in the snapshot.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// The path to get it from, on the same controller.
    pub path: String,
}

/// Answer to `GET /v1/metadata/log`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetadataLogPage {
    /// The cluster.
    pub cluster_id: ClusterId,
    /// The entries from the index asked for, without a gap; may be none.
    pub entries: Vec<FeedEntry>,
    /// The index to ask for next.
    pub next: u64,
    /// First index that this controller has not applied.
    pub applied_end: u64,
    /// Set instead of entries when the index asked for was purged, or lies beyond what this
    /// controller has ever had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotPointer>,
}

/// Answer to `GET /v1/metadata/snapshot`: an image as the records that make it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetadataSnapshot {
    /// The cluster.
    pub cluster_id: ClusterId,
    /// The image, as its own crate writes it.
    pub snapshot: trimaran_metadata::Snapshot,
}
