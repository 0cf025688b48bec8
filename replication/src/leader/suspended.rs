//! [`Suspended`]: what a leadership leaves behind that may go on at the same replica.

use trimaran_types::{KafkaError, LeaderEpoch, MonotonicTime, Offset};

use super::waiters::Waiters;
use super::{Action, Leader, LeaderStart, Outcome};

/// Appends that wait although their leadership has ended, at a replica whose log is not cut.
///
/// Nothing of it is acknowledged before the replica leads again (P-ONE-LEADER): there is no high
/// watermark here that could move. Their callers are told when their time is up.
#[derive(Debug)]
pub struct Suspended {
    leader_epoch: LeaderEpoch,
    log_end: Offset,
    waiters: Waiters,
}

impl Leader {
    /// Ends the leadership without a word to those who wait: the partition has no leader now, or the
    /// same replica leads on in a later epoch.
    #[must_use]
    pub fn suspend(self) -> Suspended {
        Suspended {
            leader_epoch: self.committed.leader_epoch,
            log_end: self.positions.log_end,
            waiters: self.waiters,
        }
    }
}

impl Suspended {
    /// Begins the leadership of a later epoch at the same replica, which has led, or waited, ever
    /// since: its log was not cut. Appends that wait go on waiting.
    ///
    /// Why that is safe: a waiter is answered when the high watermark passes the end of its records.
    /// The records are in this log at the offsets that they got, since nothing was cut. This log is
    /// the history of the later epoch, whoever led in between: the high watermark of that epoch
    /// passes an offset only when every member of its ISR holds what stands *here* at that offset
    /// (P-ACKED, P-ORDER). The followers' positions are unknown again, so none of an earlier epoch
    /// counts.
    #[must_use]
    pub fn resume(self, now: MonotonicTime, start: LeaderStart) -> (Leader, Vec<Action>) {
        debug_assert!(
            start.positions.log_end >= self.log_end
                && start.committed.leader_epoch > self.leader_epoch,
            "{self:?} is resumed by {start:?}"
        );
        Leader::begin(now, start, self.waiters)
    }

    /// Ends the wait because of `error`: another replica leads, or this one is out of service.
    #[must_use]
    pub fn end_with(mut self, error: KafkaError) -> Vec<Action> {
        let outcome = Outcome::Unknown;
        self.waiters
            .take_all()
            .map(|waiter| Action::Refuse {
                waiter: waiter.id,
                error,
                outcome,
            })
            .collect()
    }

    /// It is `now`: refuses those whose deadline has come.
    pub fn tick(&mut self, now: MonotonicTime, actions: &mut Vec<Action>) {
        self.waiters
            .refuse_expired(now, KafkaError::RequestTimedOut, actions);
    }

    /// The first deadline, or an earlier moment.
    #[must_use]
    pub const fn next_deadline(&self) -> Option<MonotonicTime> {
        self.waiters.earliest_deadline()
    }

    /// How many appends wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiters.len()
    }
}
