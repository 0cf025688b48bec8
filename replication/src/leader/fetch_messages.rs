//! What a follower's fetch says, and what the leader answers.

use trimaran_types::{BrokerEpoch, BrokerId, KafkaError, LeaderEpoch, Offset};

/// Where a follower stands (KIP-595).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowerFetch {
    /// The follower.
    pub replica: BrokerId,
    /// Its registration.
    pub broker_epoch: BrokerEpoch,
    /// The leader epoch that it believes in.
    pub leader_epoch: LeaderEpoch,
    /// Its log end: the first offset it lacks.
    pub fetch_offset: Offset,
    /// Everything below is on its disk.
    pub flushed_end: Offset,
    /// The epoch of its last batch; `None` on an empty log.
    pub last_fetched_epoch: Option<LeaderEpoch>,
    /// Its first offset (KIP-107).
    pub log_start: Offset,
}

/// The leader's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchAnswer {
    /// Records from `from` up to the log's end, if there are any.
    Read {
        /// First offset to send.
        from: Offset,
        /// First offset not to send: the log's end.
        before: Offset,
    },
    /// The histories differ; the follower truncates and asks again.
    Diverging {
        /// The last epoch that both may share.
        epoch: LeaderEpoch,
        /// Where it ends at the leader.
        end: Offset,
    },
    /// Nothing, and the follower's position was not counted.
    Refused(KafkaError),
}
