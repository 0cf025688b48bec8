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
    /// Ends of the leader's log that it has still to reach.
    goals: Option<Goals>,
    /// The last moment at which it lacked nothing, or joined the ISR.
    last_caught_up: Option<MonotonicTime>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ends {
    start: Offset,
    flushed: Offset,
    log: Offset,
}

/// Where the leader's log ended at one of the follower's fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Goal {
    at: MonotonicTime,
    end: Offset,
}

/// Two suffice: the newest, and an older one that is kept until it is reached, so that a follower
/// which is always some fetches behind is seen to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Goals {
    older: Goal,
    newest: Goal,
}

impl FollowerProgress {
    /// Of a follower that has not fetched in this leader epoch.
    pub(super) const fn unknown(last_caught_up: Option<MonotonicTime>) -> Self {
        Self {
            broker_epoch: None,
            ends: None,
            goals: None,
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
    /// Caught up now if it has all that the leader has; else caught up at that earlier fetch at which
    /// the leader had no more than the follower has now. Kafka's rule (KIP-497) looks at the fetch
    /// before alone, so it takes a follower for lost that keeps up at a distance of several fetches,
    /// as producers who do not wait keep it.
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
        let newest = Goal {
            at: now,
            end: leader_log_end,
        };
        let is_reached = |goal: &Goal| counted >= goal.end;
        let passed = self.goals.unwrap_or(Goals {
            older: newest,
            newest,
        });
        let reached = [newest, passed.newest, passed.older];
        let caught_up_at = reached.into_iter().find(is_reached).map(|goal| goal.at);
        self.last_caught_up = self.last_caught_up.max(caught_up_at);
        let waiting = [passed.older, passed.newest, newest];
        let older = waiting.into_iter().find(|goal| !is_reached(goal));
        self.goals = Some(Goals {
            older: older.unwrap_or(newest),
            newest,
        });
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
