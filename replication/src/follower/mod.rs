//! [`Follower`]: one replica that copies a leader, during one leader epoch.
//!
//! Decides what of a fetch's answer may enter the log, where the log must be cut first, and how far
//! the high watermark is known. Another leader epoch is another value, even under the same leader.
//!
//! Invariants, checked after each event in debug builds:
//! - only answers to the newest fetch of this epoch count;
//! - the log is cut by epochs alone, never by the high watermark (KIP-101, KIP-279);
//! - the high watermark is the smaller of the leader's and the own log's end; it goes back only
//!   when the log is cut below it, which takes an unclean election.

mod action;
mod answer;
mod fetched;
mod local;
mod truncation;
mod validate;

use trimaran_types::{LeaderEpoch, Offset};

pub use action::Action;
pub use answer::{FetchedRecords, LeaderAnswer, LeaderBounds};

use crate::LogPositions;

/// The follower's side of a partition during one leader epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follower {
    leader_epoch: LeaderEpoch,
    positions: LogPositions,
    last_epoch: Option<LeaderEpoch>,
    high_watermark: Offset,
    /// The leader's, as last told; never applied beyond the own log's end.
    leader_high_watermark: Offset,
    parked: bool,
}

/// Where a follower stands: what its next fetch says (KIP-595).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchPosition {
    /// The leader epoch that it follows.
    pub leader_epoch: LeaderEpoch,
    /// Its log end.
    pub fetch_offset: Offset,
    /// Everything below is on its disk.
    pub flushed_end: Offset,
    /// The epoch of its last batch.
    pub last_fetched_epoch: Option<LeaderEpoch>,
    /// First offset kept.
    pub log_start: Offset,
}

impl Follower {
    /// Begins to follow. `last_epoch` is that of the log's last batch; `high_watermark` the one
    /// that this replica knows, of its last role or its last run.
    ///
    /// An epoch that the replica led without writing a record is no history: the new leader's records
    /// may be older, and the log forgets such an epoch when they are appended.
    #[must_use]
    pub fn start(
        leader_epoch: LeaderEpoch,
        positions: LogPositions,
        last_epoch: Option<LeaderEpoch>,
        high_watermark: Offset,
    ) -> Self {
        let high_watermark = high_watermark
            .min(positions.log_end)
            .max(positions.log_start);
        let follower = Self {
            leader_epoch,
            positions,
            last_epoch,
            high_watermark,
            leader_high_watermark: high_watermark,
            parked: false,
        };
        follower.check();
        follower
    }

    /// What to ask the leader for; `None` once only a newer leader epoch can help.
    #[must_use]
    pub fn next_fetch(&self) -> Option<FetchPosition> {
        (!self.parked).then_some(FetchPosition {
            leader_epoch: self.leader_epoch,
            fetch_offset: self.positions.log_end,
            flushed_end: self.positions.flushed_end,
            last_fetched_epoch: self.last_epoch,
            log_start: self.positions.log_start,
        })
    }

    /// The epoch that it follows.
    #[must_use]
    pub const fn leader_epoch(&self) -> LeaderEpoch {
        self.leader_epoch
    }

    /// How far the log is known to be committed.
    #[must_use]
    pub const fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// The replica's log.
    #[must_use]
    pub const fn positions(&self) -> LogPositions {
        self.positions
    }
}

#[cfg(test)]
mod follower_test;
