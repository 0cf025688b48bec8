//! [`Reach`]: how far the terms and indexes of a message may lie ahead of one's own. Pure.
//!
//! Raft believes whatever term it is told, keeps it, and tells the others. One forged or damaged
//! number at the end of the range would end every election after it, so such a message never
//! reaches raft.

use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    VoteRequest, VoteResponse,
};
use openraft::type_config::alias::{LogIdOf, VoteOf};
use trimaran_raft_store::{INDEX_MAX, TERM_MAX};

use super::snapshot_frame::SnapshotHead;
use crate::type_config::TypeConfig;

/// How many elections a controller can have missed: one a second for 136 years.
pub(crate) const TERM_LEAP_MAX: u64 = 1 << 32;

/// How many entries a controller can have missed: 10,000 a second for three years.
pub(crate) const INDEX_LEAP_MAX: u64 = 1 << 40;

type C = TypeConfig;

/// Why a message is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OutOfReach {
    #[error("term {found} is too far above {own}, the newest known here")]
    Term { found: u64, own: u64 },
    #[error("index {found} is too far above {own}, the last entry known here")]
    Index { found: u64, own: u64 },
    #[error("an entry of term {term} comes with a vote of term {vote}")]
    TermAboveVote { term: u64, vote: u64 },
    #[error("entry {found} comes where entry {expected} was to come")]
    NotConsecutive { found: u64, expected: u64 },
}

/// The newest term and the last index known here; what may be believed follows from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    term: u64,
    index: u64,
}

impl Reach {
    /// Of a node that knows `term`, and whose log ends with `index`.
    pub(crate) fn of(term: u64, index: Option<u64>) -> Self {
        Self {
            term,
            index: index.unwrap_or(0),
        }
    }

    /// Of the sender of a call with this vote, for the answer to it.
    pub(crate) fn of_call(vote: &VoteOf<C>, last: Option<&LogIdOf<C>>) -> Self {
        Self::of(vote.leader_id.term, last.map(|last| last.index))
    }

    fn term(self, found: u64) -> Result<(), OutOfReach> {
        if found > self.term.saturating_add(TERM_LEAP_MAX).min(TERM_MAX) {
            return Err(OutOfReach::Term {
                found,
                own: self.term,
            });
        }
        Ok(())
    }

    fn log_id(self, log_id: Option<&LogIdOf<C>>) -> Result<(), OutOfReach> {
        let Some(log_id) = log_id else {
            return Ok(());
        };
        self.term(log_id.leader_id.term)?;
        if log_id.index > self.index.saturating_add(INDEX_LEAP_MAX).min(INDEX_MAX) {
            return Err(OutOfReach::Index {
                found: log_id.index,
                own: self.index,
            });
        }
        Ok(())
    }

    /// A log id that a leader of `vote` can have.
    fn log_id_under(self, vote: &VoteOf<C>, log_id: Option<&LogIdOf<C>>) -> Result<(), OutOfReach> {
        self.log_id(log_id)?;
        match log_id.map(|log_id| log_id.leader_id.term) {
            Some(term) if term > vote.leader_id.term => Err(OutOfReach::TermAboveVote {
                term,
                vote: vote.leader_id.term,
            }),
            _ => Ok(()),
        }
    }

    /// # Errors
    /// When the candidate's term or log is out of reach.
    pub(crate) fn vote(self, rpc: &VoteRequest<C>) -> Result<(), OutOfReach> {
        self.term(rpc.vote.leader_id.term)?;
        self.log_id(rpc.last_log_id.as_ref())
    }

    /// # Errors
    /// When the leader's term or an entry is out of reach, or the entries do not follow each other.
    pub(crate) fn append(self, rpc: &AppendEntriesRequest<C>) -> Result<(), OutOfReach> {
        self.term(rpc.vote.leader_id.term)?;
        self.log_id_under(&rpc.vote, rpc.prev_log_id.as_ref())?;
        self.log_id_under(&rpc.vote, rpc.leader_commit.as_ref())?;
        let mut expected = rpc
            .prev_log_id
            .as_ref()
            .map_or(0, |prev| prev.index.saturating_add(1));
        for entry in &rpc.entries {
            self.log_id_under(&rpc.vote, Some(&entry.log_id))?;
            let found = entry.log_id.index;
            if found != expected {
                return Err(OutOfReach::NotConsecutive { found, expected });
            }
            expected = expected.saturating_add(1);
        }
        Ok(())
    }

    /// # Errors
    /// When the leader's term, or what the snapshot covers, is out of reach.
    pub(crate) fn snapshot(self, head: &SnapshotHead) -> Result<(), OutOfReach> {
        self.term(head.vote.leader_id.term)?;
        self.log_id_under(&head.vote, head.meta.last_log_id.as_ref())?;
        let membership = head.meta.last_membership.log_id().as_ref();
        self.log_id_under(&head.vote, membership)
    }

    /// # Errors
    /// When the leader's term or log is out of reach.
    pub(crate) fn transfer(self, rpc: &TransferLeaderRequest<C>) -> Result<(), OutOfReach> {
        self.term(rpc.from_leader().leader_id.term)?;
        self.log_id(rpc.last_log_id())
    }

    /// # Errors
    /// When the voter's term or log is out of reach.
    pub(crate) fn vote_answer(self, answer: &VoteResponse<C>) -> Result<(), OutOfReach> {
        self.term(answer.vote.leader_id.term)?;
        self.log_id(answer.last_log_id.as_ref())
    }

    /// # Errors
    /// When the term that the follower names is out of reach.
    pub(crate) fn append_answer(self, answer: &AppendEntriesResponse<C>) -> Result<(), OutOfReach> {
        match answer {
            AppendEntriesResponse::HigherVote(vote) => self.term(vote.leader_id.term),
            _ => Ok(()),
        }
    }

    /// # Errors
    /// When the term that the follower names is out of reach.
    pub(crate) fn snapshot_answer(self, answer: &SnapshotResponse<C>) -> Result<(), OutOfReach> {
        self.term(answer.vote.leader_id.term)
    }
}

#[cfg(test)]
#[path = "reach_test.rs"]
mod tests;
