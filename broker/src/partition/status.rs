//! [`PartitionStatus`]: what everybody may see of a replica without asking its owner.

use trimaran_types::{LeaderEpoch, Offset};

/// What the replica does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionRole {
    /// It takes appends and serves reads.
    Leader,
    /// It copies a leader.
    Follower,
    /// The partition has no leader, or the replica was not assigned yet.
    Idle,
    /// It is out of service: its log cannot be used.
    Failed,
    /// Its owner has ended.
    Stopped,
}

/// One moment of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionStatus {
    /// What it does.
    pub role: PartitionRole,
    /// The leader epoch that it acts in.
    pub leader_epoch: Option<LeaderEpoch>,
    /// First offset kept.
    pub log_start: Offset,
    /// First offset that consumers may not read yet, as far as this replica knows.
    pub high_watermark: Offset,
    /// The first offset of a transaction that is open, or whose end is not committed.
    pub first_unstable: Option<Offset>,
    /// Everything below is on this broker's disk.
    pub flushed_end: Offset,
    /// First unwritten offset.
    pub log_end: Offset,
    /// Where a leader's epoch began; while the high watermark is below, the end of what is
    /// committed is not known (KIP-207).
    pub epoch_start: Option<Offset>,
    /// Largest batch that the topic takes.
    pub batch_bytes_max: usize,
    /// A record counts for an acknowledgement when it is synced, not when it is written.
    pub counts_synced: bool,
    /// The topic is compacted, so every record must have a key.
    pub needs_keys: bool,
    /// The last append found no room on the disk, or no descriptor for its file. Ends with the first
    /// append that finds some, or when a replica that does not lead hears that the directory has room;
    /// not with the role.
    pub lacks_room: bool,
}
