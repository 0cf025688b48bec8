//! What a leader's answer says, apart from the bytes.

use trimaran_types::{KafkaError, LeaderEpoch, Offset};

/// The leader's log, as told with every answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaderBounds {
    /// Its first offset.
    pub log_start: Offset,
    /// Its high watermark.
    pub high_watermark: Offset,
}

/// What the headers of the fetched batches say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchedRecords {
    /// First offset of the first batch.
    pub base_offset: Offset,
    /// The highest leader epoch of a batch.
    pub last_epoch: LeaderEpoch,
}

/// An answer of the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaderAnswer {
    /// Success; `records` is absent when there is nothing new.
    Records {
        /// The leader's log.
        bounds: LeaderBounds,
        /// What came.
        records: Option<FetchedRecords>,
    },
    /// The histories differ.
    Diverging {
        /// The last epoch that both may share.
        epoch: LeaderEpoch,
        /// Where it ends at the leader.
        end: Offset,
    },
    /// The leader refused.
    Refused {
        /// Why.
        error: KafkaError,
        /// The leader's log, where the refusal tells of it.
        bounds: LeaderBounds,
    },
}
