//! The vote.
//!
//! ```text
//! term u64 | node u64 | committed u8 (0, 1)
//! ```

use openraft::Vote;

use super::FormatError;
use super::scanner::Scanner;
use crate::stored_types::StoredVote;

pub(crate) fn encode_vote(vote: &StoredVote) -> Vec<u8> {
    let mut out = Vec::with_capacity(17);
    out.extend_from_slice(&vote.leader_id.term.to_be_bytes());
    out.extend_from_slice(&vote.leader_id.voted_for.to_be_bytes());
    out.push(u8::from(vote.committed));
    out
}

pub(crate) fn decode_vote(body: &[u8]) -> Result<StoredVote, FormatError> {
    let mut scanner = Scanner::new(body);
    let vote = scan_vote(&mut scanner)?;
    scanner.end()?;
    Ok(vote)
}

pub(crate) fn scan_vote(scanner: &mut Scanner<'_>) -> Result<StoredVote, FormatError> {
    let term = scanner.number64()?;
    let node = scanner.number64()?;
    let committed = scanner.flag("vote committed")?;
    Ok(if committed {
        Vote::new_committed(term, node)
    } else {
        Vote::new(term, node)
    })
}
