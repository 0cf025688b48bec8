//! [`StoredTypes`]: which openraft type configs this store can keep.

use openraft::vote::leader_id_std::{CommittedLeaderId, LeaderId};
use openraft::{Entry, EntryPayload, LogId, RaftTypeConfig, SnapshotMeta, Vote};

/// A log id as stored: one leader a term, so the term names the leader.
pub type StoredLogId = LogId<CommittedLeaderId<u64>>;

/// A vote as stored.
pub type StoredVote = Vote<LeaderId<u64, u64>>;

/// An entry of the log of `C`.
pub type StoredEntry<C> = Entry<
    CommittedLeaderId<u64>,
    EntryPayload<<C as RaftTypeConfig>::D, u64, <C as RaftTypeConfig>::Node>,
>;

/// A membership with the log id of the entry that set it.
pub type StoredMembership<C> =
    openraft::StoredMembership<CommittedLeaderId<u64>, u64, <C as RaftTypeConfig>::Node>;

/// What a snapshot covers.
pub type StoredMeta<C> = SnapshotMeta<CommittedLeaderId<u64>, u64, <C as RaftTypeConfig>::Node>;

/// A raft type config with numbers for nodes and terms, one leader a term, and openraft's own
/// entry. Implemented for every config of that shape.
pub trait StoredTypes:
    RaftTypeConfig<
        D: Clone,
        NodeId = u64,
        Term = u64,
        LeaderId = LeaderId<u64, u64>,
        Vote = StoredVote,
        Payload = EntryPayload<<Self as RaftTypeConfig>::D, u64, <Self as RaftTypeConfig>::Node>,
        Entry = StoredEntry<Self>,
    >
{
}

impl<C> StoredTypes for C where
    C: RaftTypeConfig<
            D: Clone,
            NodeId = u64,
            Term = u64,
            LeaderId = LeaderId<u64, u64>,
            Vote = StoredVote,
            Payload = EntryPayload<<C as RaftTypeConfig>::D, u64, <C as RaftTypeConfig>::Node>,
            Entry = StoredEntry<C>,
        >
{
}
