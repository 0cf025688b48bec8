//! The same replica leads on, in a later epoch.

use trimaran_types::MonotonicTime;

use super::{Action, Leader, LeaderStart};

impl Leader {
    /// Ends this leadership and begins that of a later epoch at the same replica, which has led, or
    /// waited, ever since: its log was not cut. Appends that wait go on waiting.
    ///
    /// Why that is safe: a waiter is answered when the high watermark passes the end of its records.
    /// The records are in this log at the offsets that they got, since nothing was cut. This log is
    /// the history of the later epoch, whoever led in between: the high watermark of that epoch
    /// passes an offset only when every member of its ISR holds what stands *here* at that offset
    /// (P-ACKED, P-ORDER). The followers' positions are unknown again, so none of an earlier epoch
    /// counts.
    #[must_use]
    pub fn renew(self, now: MonotonicTime, start: LeaderStart) -> (Self, Vec<Action>) {
        debug_assert!(
            start.positions.log_end >= self.positions.log_end
                && start.committed.leader_epoch > self.committed.leader_epoch,
            "{self:?} is renewed by {start:?}"
        );
        Self::begin(now, start, self.waiters)
    }
}
