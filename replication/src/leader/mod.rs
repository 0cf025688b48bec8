//! [`Leader`]: one leadership of one partition.
//!
//! Decides what may be acknowledged, how far consumers may read, and who is in sync. Another leader
//! epoch is another value: the owner deposes this one first, or suspends it where the same replica
//! may lead on.
//!
//! Invariants, checked after each event in debug builds:
//! - the high watermark never goes back, never passes the log's end, and rises only while the
//!   committed ISR has at least the minimum (KIP-966, strict minimum);
//! - it never passes what any member of the maximal ISR holds (on disk, where acknowledgements are
//!   synced), so a record is acknowledged only when every possible next leader has it (P-ACKED);
//! - the maximal ISR is the committed one and a member that is proposed to join; a member that is
//!   proposed to leave counts until the metadata log has shown that it left (P-ISR);
//! - what the controllers committed takes effect in the order of the metadata log: an ISR counts
//!   only together with the settings that it was decided under;
//! - at most one ISR change is in flight;
//! - waiters stand in the order of their ends and all end above the high watermark.

mod action;
mod append;
mod backlog;
mod changes;
mod depose;
mod fetch;
mod fetch_messages;
mod flush;
mod high_watermark;
mod isr_answer;
mod isr_proposal;
mod isr_state;
mod laggards;
mod log_start;
mod progress;
mod settings;
mod suspended;
mod tick;
mod validate;
mod waiters;

use std::collections::BTreeMap;

use trimaran_types::{BrokerId, LeaderEpoch, MonotonicTime, Offset, PartitionEpoch};

pub use action::{Action, Outcome, WaiterId};
pub use append::Appended;
pub use fetch_messages::{FetchAnswer, FollowerFetch};
pub use isr_answer::IsrAnswer;
pub use isr_proposal::{IsrChange, IsrProposal, ProposedMember};
pub use settings::LeaderSettings;
pub use suspended::Suspended;

use self::backlog::Backlog;
use self::isr_state::IsrState;
use self::progress::FollowerProgress;
use self::waiters::Waiters;
use crate::{CommittedState, LogPositions, Peers};

/// The leader's side of a partition during one leader epoch.
#[derive(Debug)]
pub struct Leader {
    own: BrokerId,
    committed: CommittedState,
    isr_state: IsrState,
    settings: LeaderSettings,
    peers: Peers,
    positions: LogPositions,
    high_watermark: Offset,
    /// Where this epoch began: a follower below it may not have the older leaders' records.
    epoch_start: Offset,
    /// The high watermark when "synced" began to count; it may lie above the flushed end.
    synced_above: Offset,
    followers: BTreeMap<BrokerId, FollowerProgress>,
    /// What this leadership has appended, in bytes.
    backlog: Backlog,
    waiters: Waiters,
    /// No ISR change is proposed before this, so that a refused one is not repeated at once.
    proposals_resume_at: MonotonicTime,
}

/// What a leader starts from.
#[derive(Debug, Clone)]
pub struct LeaderStart {
    /// This broker.
    pub own: BrokerId,
    /// The partition as committed; its leader epoch is the one that begins.
    pub committed: CommittedState,
    /// Its settings.
    pub settings: LeaderSettings,
    /// The brokers that host it.
    pub peers: Peers,
    /// This replica's log.
    pub positions: LogPositions,
    /// The high watermark that this replica knows, of its time as a follower or of its last run.
    pub high_watermark: Offset,
}

impl Leader {
    /// Begins a leadership. The log's end is where the epoch begins.
    ///
    /// Members of the ISR count as caught up now; no other replica does (KIP-966).
    /// Actions may follow at once: a replica that is alone in sync has nobody to wait for.
    #[must_use]
    pub fn start(now: MonotonicTime, start: LeaderStart) -> (Self, Vec<Action>) {
        Self::begin(now, start, Waiters::default())
    }

    fn begin(now: MonotonicTime, start: LeaderStart, waiters: Waiters) -> (Self, Vec<Action>) {
        let LeaderStart {
            own,
            committed,
            settings,
            peers,
            positions,
            high_watermark,
        } = start;
        let followers = committed
            .replicas
            .iter()
            .filter(|replica| **replica != own)
            .map(|replica| {
                let in_sync = committed.isr.contains(replica);
                (*replica, FollowerProgress::unknown(in_sync.then_some(now)))
            })
            .collect();
        let counted = settings
            .durability
            .counted(positions.flushed_end, positions.log_end);
        let high_watermark = high_watermark.min(counted).max(positions.log_start);
        let mut leader = Self {
            own,
            committed,
            isr_state: IsrState::Committed,
            settings,
            peers,
            positions,
            high_watermark,
            epoch_start: positions.log_end,
            synced_above: high_watermark,
            followers,
            backlog: Backlog::begin(positions.log_end),
            waiters,
            proposals_resume_at: now,
        };
        let mut actions = Vec::new();
        leader.advance_high_watermark(now, &mut actions);
        leader.check();
        (leader, actions)
    }

    /// The epoch of this leadership.
    #[must_use]
    pub const fn leader_epoch(&self) -> LeaderEpoch {
        self.committed.leader_epoch
    }

    /// The epoch of the partition's state that this leader acts on.
    #[must_use]
    pub const fn partition_epoch(&self) -> PartitionEpoch {
        self.committed.partition_epoch
    }

    /// The committed in-sync replicas.
    #[must_use]
    pub fn isr(&self) -> &[BrokerId] {
        &self.committed.isr
    }

    /// First offset that consumers may not read yet.
    #[must_use]
    pub const fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// The leader's own log.
    #[must_use]
    pub const fn positions(&self) -> LogPositions {
        self.positions
    }

    /// Where this epoch began. While the high watermark lies below, the end of what is committed is
    /// not known yet (KIP-207).
    #[must_use]
    pub const fn epoch_start(&self) -> Offset {
        self.epoch_start
    }

    /// How many appends wait for their acknowledgement.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiters.len()
    }
}

#[cfg(test)]
mod leader_test;
