//! Back-pressure on producers that do not wait for the ISR.
//!
//! Nothing else slows them down: a leader that is faster than a follower would leave it behind until
//! it falls out of the ISR, with nobody else in sync in the end. So they wait while a member is too
//! many bytes behind. One that shows no progress for the lag time does not hold them any longer,
//! whether or not the controllers can be asked to take it out.

use trimaran_types::MonotonicTime;

use super::Leader;
use super::progress::FollowerProgress;

impl Leader {
    /// Whether an append that does not wait for the ISR must not be written now, behind
    /// `bytes_ahead` that are about to be.
    #[must_use]
    pub fn holds_back(&self, now: MonotonicTime, bytes_ahead: u64) -> bool {
        self.laggards(now, bytes_ahead).next().is_some()
    }

    /// When time alone may let appends go that are held back; `None` when nobody holds them.
    #[must_use]
    pub fn holds_back_until(&self, now: MonotonicTime) -> Option<MonotonicTime> {
        let lapses = self
            .laggards(now, 0)
            .map(|follower| self.lapse_of(follower));
        lapses.min()
    }

    fn laggards(
        &self,
        now: MonotonicTime,
        bytes_ahead: u64,
    ) -> impl Iterator<Item = &FollowerProgress> {
        let (settings, log_end) = (&self.settings, self.positions.log_end);
        self.followers.iter().filter_map(move |(id, follower)| {
            let behind = self.backlog.behind(follower.counted(settings.durability));
            let lags = self.committed.isr.contains(id)
                && behind.saturating_add(bytes_ahead) >= settings.lag_bytes_max
                && follower.is_caught_up(now, settings, log_end);
            lags.then_some(follower)
        })
    }

    /// The first moment at which a follower that lacks something counts as out of sync.
    pub(super) fn lapse_of(&self, follower: &FollowerProgress) -> MonotonicTime {
        let caught_up = follower.last_caught_up().unwrap_or_default();
        caught_up.plus_ms(self.settings.lag_time_max_ms).plus_ms(1)
    }
}
