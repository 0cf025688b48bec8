//! [`FollowerProgress`]: how far one follower has come, as its fetches tell.

use trimaran_types::{BrokerEpoch, MonotonicTime, Offset};

use super::{FollowerFetch, LeaderSettings};
use crate::Durability;

/// One follower, seen from the leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FollowerProgress {
    /// The registration that fetched last.
    broker_epoch: Option<BrokerEpoch>,
    /// Where its log began and ended at its last fetch; unknown before the first one.
    ends: Option<Ends>,
    /// When it fetched last, and where the leader's log ended then.
    last_fetch: Option<(MonotonicTime, Offset)>,
    /// The last moment at which it lacked nothing, or joined the ISR.
    last_caught_up: Option<MonotonicTime>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ends {
    start: Offset,
    flushed: Offset,
    log: Offset,
}

impl FollowerProgress {
    /// Of a follower that has not fetched in this leader epoch.
    pub(super) const fn unknown(last_caught_up: Option<MonotonicTime>) -> Self {
        Self {
            broker_epoch: None,
            ends: None,
            last_fetch: None,
            last_caught_up,
        }
    }

    pub(super) const fn broker_epoch(&self) -> Option<BrokerEpoch> {
        self.broker_epoch
    }

    pub(super) const fn last_caught_up(&self) -> Option<MonotonicTime> {
        self.last_caught_up
    }

    /// The position that counts for the high watermark.
    pub(super) fn counted(&self, durability: Durability) -> Option<Offset> {
        self.ends
            .map(|ends| durability.counted(ends.flushed, ends.log))
    }

    /// Its first offset.
    pub(super) fn log_start(&self) -> Option<Offset> {
        self.ends.map(|ends| ends.start)
    }

    /// Takes in a fetch whose history agrees with the leader's.
    ///
    /// Kafka's rule (KIP-497): caught up now if it has all that the leader has; else caught up
    /// at its previous fetch if it has all that the leader had then. So a follower of a busy
    /// partition, always a little behind, still counts as caught up.
    pub(super) fn fetched(
        &mut self,
        now: MonotonicTime,
        fetch: &FollowerFetch,
        leader_log_end: Offset,
        durability: Durability,
    ) {
        let flushed = fetch.flushed_end.min(fetch.fetch_offset);
        self.broker_epoch = Some(fetch.broker_epoch);
        self.ends = Some(Ends {
            start: fetch.log_start,
            flushed,
            log: fetch.fetch_offset,
        });
        let counted = durability.counted(flushed, fetch.fetch_offset);
        let caught_up_at = match self.last_fetch {
            _ if counted >= leader_log_end => Some(now),
            Some((then, leader_log_end_then)) if counted >= leader_log_end_then => Some(then),
            _ => None,
        };
        self.last_caught_up = self.last_caught_up.max(caught_up_at);
        self.last_fetch = Some((now, leader_log_end));
    }

    /// It lacked nothing up to `now`.
    pub(super) fn was_level(&mut self, now: MonotonicTime) {
        self.last_caught_up = self.last_caught_up.max(Some(now));
    }

    /// It has joined the ISR: its lag counts from `now`.
    pub(super) fn joined(&mut self, now: MonotonicTime) {
        self.last_caught_up = self.last_caught_up.max(Some(now));
    }

    /// Whether it lacks nothing, or has lacked something only for a short time.
    pub(super) fn is_caught_up(
        &self,
        now: MonotonicTime,
        settings: &LeaderSettings,
        leader_log_end: Offset,
    ) -> bool {
        if self.counted(settings.durability) == Some(leader_log_end) {
            return true;
        }
        self.last_caught_up
            .is_some_and(|then| now.ms_since(then) <= settings.lag_time_max_ms)
    }
}
