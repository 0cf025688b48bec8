//! A follower fetches: its history is compared, its position counted, the ISR perhaps widened.

use trimaran_types::{KafkaError, LeaderEpoch, MonotonicTime, Offset};

use super::{Action, FetchAnswer, FollowerFetch, Leader};

impl Leader {
    /// A follower asks for records and so tells where it stands.
    ///
    /// `end_of` looks an epoch up in the leader's own history: the largest known epoch not above
    /// it, and where that one ends; `None` when the epoch is above all known ones (KIP-101, KIP-279).
    /// A position is counted only when the history up to it is the leader's own.
    pub fn fetched(
        &mut self,
        now: MonotonicTime,
        fetch: &FollowerFetch,
        end_of: impl FnOnce(LeaderEpoch) -> Option<(LeaderEpoch, Offset)>,
        actions: &mut Vec<Action>,
    ) -> FetchAnswer {
        if let Err(error) = self.accept(fetch) {
            return FetchAnswer::Refused(error);
        }
        if let Some(answer) = diverging(fetch, end_of) {
            return answer;
        }
        let readable = self.positions.log_start..=self.positions.log_end;
        if !readable.contains(&fetch.fetch_offset) {
            return FetchAnswer::Refused(KafkaError::OffsetOutOfRange);
        }
        let log_end = self.positions.log_end;
        if let Some(follower) = self.followers.get_mut(&fetch.replica) {
            follower.fetched(now, fetch, log_end, self.settings.durability);
        }
        self.propose_expansion(now, fetch.replica, actions);
        self.advance_high_watermark(now, actions);
        self.check();
        FetchAnswer::Read {
            from: fetch.fetch_offset,
            before: log_end,
        }
    }

    fn accept(&self, fetch: &FollowerFetch) -> Result<(), KafkaError> {
        if fetch.leader_epoch < self.committed.leader_epoch {
            return Err(KafkaError::FencedLeaderEpoch);
        }
        if fetch.leader_epoch > self.committed.leader_epoch {
            return Err(KafkaError::UnknownLeaderEpoch);
        }
        let Some(follower) = self.followers.get(&fetch.replica) else {
            return Err(KafkaError::NotLeaderOrFollower);
        };
        // An epoch above the known one is a registration that this broker has not heard of yet: it
        // may fetch, and joins the ISR only when the metadata agrees.
        let known = self.peers.get(&fetch.replica).map(|peer| peer.broker_epoch);
        if Some(fetch.broker_epoch) < known || Some(fetch.broker_epoch) < follower.broker_epoch() {
            return Err(KafkaError::StaleBrokerEpoch);
        }
        Ok(())
    }
}

/// Whether the follower's history leaves the leader's (KIP-595).
fn diverging(
    fetch: &FollowerFetch,
    end_of: impl FnOnce(LeaderEpoch) -> Option<(LeaderEpoch, Offset)>,
) -> Option<FetchAnswer> {
    let last_fetched_epoch = fetch.last_fetched_epoch?;
    let Some((epoch, end)) = end_of(last_fetched_epoch) else {
        // The follower has records of an epoch that this leader has never heard of.
        return Some(FetchAnswer::Refused(KafkaError::UnknownLeaderEpoch));
    };
    (epoch < last_fetched_epoch || end < fetch.fetch_offset)
        .then_some(FetchAnswer::Diverging { epoch, end })
}
