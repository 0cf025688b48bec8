//! [`Event`]: what reaches the owner of a replica.
//!
//! Large ones are boxed: ten thousand idle mailboxes should cost little.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;
use trimaran_api::ApiError;
use trimaran_api::replica::{AppendResponse, FetchPartitionResult};
use trimaran_commit_log::{
    CleanedSegment, DeletedSegments, ProducerEnd, ReplaceError, Replaced, Retained,
};
use trimaran_replication::follower::FetchPosition;
use trimaran_replication::leader::{FetchAnswer, FollowerFetch, IsrAnswer};
use trimaran_types::record_batch::RecordBatch;
use trimaran_types::{LeaderEpoch, Offset, PartitionEpoch};

use super::Assignment;
use super::seats::FetchWaiter;
use crate::byte_budget::ByteShare;

/// Something that the owner must act on.
#[derive(Debug)]
pub(crate) enum Event {
    /// A client's batches.
    Append(Box<AppendRequest>),
    /// A follower asks for records.
    FollowerFetch(Box<FollowerRequest>),
    /// The leader has answered this follower's fetch.
    Fetched(Box<Fetched>),
    /// The fetcher wants to know where to begin.
    Where(oneshot::Sender<FollowerNext>),
    /// The metadata has changed.
    Assign(Box<Assignment>),
    /// The controllers have answered an ISR change.
    IsrAnswered(Box<IsrAnswered>),
    /// Time to make a restart cheap; the sender is dropped when that is done.
    Checkpoint(oneshot::Sender<()>),
    /// A client deletes the records before an offset.
    Trim(Box<TrimRequest>),
    /// Time to let old records go; answers with what may be deleted now.
    Retain(oneshot::Sender<Option<Retained>>),
    /// The log start is on the disk up to here: the segments below may go.
    DeleteSegments(Offset, oneshot::Sender<Option<DeletedSegments>>),
    /// The cleaner wants to know where producers stand.
    ProducerEnds(oneshot::Sender<Vec<ProducerEnd>>),
    /// The cleaner has a segment to be swapped in.
    ReplaceSegments(
        Box<CleanedSegment>,
        oneshot::Sender<Result<Replaced, ReplaceError>>,
    ),
    /// The log directory has room again, as far as somebody else could find out.
    RoomFound,
    /// The log directory has failed.
    DirFailed,
    /// End.
    Close(Closing, oneshot::Sender<Result<(), String>>),
}

/// How a replica ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// Everything is made durable first.
    Clean,
    /// The log is about to go.
    Discard,
}

/// A client's batches, to be appended together.
#[derive(Debug)]
pub(crate) struct AppendRequest {
    pub(super) batches: Vec<RecordBatch>,
    pub(super) acks: trimaran_api::replica::RequiredAcks,
    pub(super) deadline: Instant,
    pub(super) reply: oneshot::Sender<Result<AppendResponse, ApiError>>,
    /// Held until the answer.
    pub(super) permits: [ByteShare; 2],
}

impl AppendRequest {
    /// Bytes of its batches.
    pub(super) fn bytes(&self) -> u64 {
        let bytes: usize = self.batches.iter().map(|batch| batch.bytes().len()).sum();
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

/// A client's wish to delete the oldest records.
#[derive(Debug)]
pub(crate) struct TrimRequest {
    /// The first record to keep.
    pub(super) before: Offset,
    pub(super) deadline: Instant,
    pub(super) reply: oneshot::Sender<Result<Offset, ApiError>>,
}

/// A follower's fetch of this partition.
#[derive(Debug)]
pub(crate) struct FollowerRequest {
    pub(crate) fetch: FollowerFetch,
    pub(crate) waiter: Arc<FetchWaiter>,
    pub(crate) reply: oneshot::Sender<FetchReply>,
}

/// What the owner answers to a follower's fetch; the records are read by the asker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FetchReply {
    pub(crate) answer: FetchAnswer,
    pub(crate) high_watermark: Offset,
    pub(crate) log_start: Offset,
}

/// An answer of the leader, with the fetch that it belongs to.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) asked: FetchPosition,
    pub(crate) result: FetchPartitionResult,
    pub(crate) reply: oneshot::Sender<FollowerNext>,
}

/// How a follower's fetcher goes on with the partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowerNext {
    /// What to ask next; `None` when nothing is to be asked in this leader epoch.
    pub position: Option<FetchPosition>,
    /// Not at once.
    pub pause: bool,
}

impl FollowerNext {
    /// Ask no more.
    pub(super) const NOTHING: Self = Self {
        position: None,
        pause: false,
    };
}

/// The answer to an ISR change.
#[derive(Debug)]
pub(crate) struct IsrAnswered {
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) proposed_on: PartitionEpoch,
    pub(crate) answer: IsrAnswer,
}
