//! How far the store was synced: what the note beside the database says.
//!
//! ```text
//! last present u8 (0, 1) | last log id | vote present u8 (0, 1) | vote
//! ```
//! What is not present is zeros, so that the length never changes.

use std::fmt;

use super::FormatError;
use super::log_id::{encode_log_id, scan_log_id};
use super::scanner::Scanner;
use super::vote::{encode_vote, scan_vote};
use crate::stored_types::{StoredLogId, StoredVote};

const LOG_ID_LENGTH: usize = 16;
const VOTE_LENGTH: usize = 17;

/// The end of the log and the vote, as of one sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct SyncedEnd {
    pub(crate) last: Option<StoredLogId>,
    pub(crate) vote: Option<StoredVote>,
}

impl SyncedEnd {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(2 + LOG_ID_LENGTH + VOTE_LENGTH);
        out.push(u8::from(self.last.is_some()));
        match &self.last {
            Some(last) => encode_log_id(last, &mut out),
            None => out.extend_from_slice(&[0; LOG_ID_LENGTH]),
        }
        out.push(u8::from(self.vote.is_some()));
        match &self.vote {
            Some(vote) => out.extend_from_slice(&encode_vote(vote)),
            None => out.extend_from_slice(&[0; VOTE_LENGTH]),
        }
        out
    }

    pub(crate) fn decode(body: &[u8]) -> Result<Self, FormatError> {
        let mut scanner = Scanner::new(body);
        let has_last = scanner.flag("last log id present")?;
        let last = scan_log_id(&mut scanner)?;
        let has_vote = scanner.flag("vote present")?;
        let vote = scan_vote(&mut scanner)?;
        scanner.end()?;
        Ok(Self {
            last: has_last.then_some(last),
            vote: has_vote.then_some(vote),
        })
    }

    /// Whether something that `noted` tells of is not here. Within a term a vote is followed only by
    /// a committed one, whoever it is for.
    pub(crate) fn lacks(&self, noted: &Self) -> bool {
        let lacks_vote = match (self.vote, noted.vote) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(found), Some(noted)) => {
                let rank = |vote: StoredVote| (vote.leader_id.term, vote.committed);
                rank(found) < rank(noted) || (rank(found) == rank(noted) && found != noted)
            }
        };
        lacks_vote || self.last < noted.last
    }
}

impl fmt::Display for SyncedEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last {
            Some(last) => write!(f, "entry {} of term {}", last.index, last.leader_id.term)?,
            None => f.write_str("no entry")?,
        }
        match self.vote {
            Some(vote) => write!(f, " and the vote of term {}", vote.leader_id.term),
            None => f.write_str(" and no vote"),
        }
    }
}
