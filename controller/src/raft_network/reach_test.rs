//! What a message may say, and what not.

use openraft::vote::leader_id_std::CommittedLeaderId;
use openraft::{Entry, EntryPayload, LogId, Vote};

use super::*;

const OWN: Reach = Reach {
    term: 7,
    index: 100,
};

fn log_id(term: u64, index: u64) -> LogIdOf<C> {
    LogId {
        leader_id: CommittedLeaderId::new(term),
        index,
    }
}

fn append(term: u64, prev: Option<LogIdOf<C>>, ids: &[(u64, u64)]) -> AppendEntriesRequest<C> {
    AppendEntriesRequest {
        vote: Vote::new_committed(term, 2),
        prev_log_id: prev,
        entries: ids
            .iter()
            .map(|(term, index)| Entry {
                log_id: log_id(*term, *index),
                payload: EntryPayload::Blank,
            })
            .collect(),
        leader_commit: prev,
    }
}

#[test]
fn a_term_may_leap_so_far_and_no_further() {
    let vote = |term| OWN.vote(&VoteRequest::new(Vote::new(term, 2), None));
    assert_eq!(vote(1), Ok(()));
    assert_eq!(vote(7 + TERM_LEAP_MAX), Ok(()));
    for found in [8 + TERM_LEAP_MAX, u64::MAX - 1, u64::MAX] {
        assert_eq!(vote(found), Err(OutOfReach::Term { found, own: 7 }));
    }
    // However many leaps follow each other, the end of the range is never reached.
    let near = Reach::of(TERM_MAX, Some(INDEX_MAX));
    assert!(near.term(TERM_MAX).is_ok());
    assert!(near.term(TERM_MAX + 1).is_err());
    assert!(near.log_id(Some(&log_id(1, INDEX_MAX))).is_ok());
    assert!(near.log_id(Some(&log_id(1, INDEX_MAX + 1))).is_err());
}

#[test]
fn a_candidates_log_is_bounded_like_its_term() {
    let vote = |last| OWN.vote(&VoteRequest::new(Vote::new(8, 2), Some(last)));
    assert_eq!(vote(log_id(7, 100 + INDEX_LEAP_MAX)), Ok(()));
    assert!(vote(log_id(7, 101 + INDEX_LEAP_MAX)).is_err());
    assert!(vote(log_id(u64::MAX, 100)).is_err());
}

#[test]
fn entries_follow_each_other_under_their_leaders_vote() {
    let prev = Some(log_id(7, 100));
    assert_eq!(OWN.append(&append(8, prev, &[(7, 101), (8, 102)])), Ok(()));
    assert_eq!(OWN.append(&append(8, None, &[])), Ok(()));
    assert_eq!(OWN.append(&append(8, None, &[(1, 0)])), Ok(()));
    assert_eq!(
        OWN.append(&append(8, prev, &[(8, 102)])),
        Err(OutOfReach::NotConsecutive {
            found: 102,
            expected: 101
        })
    );
    assert_eq!(
        OWN.append(&append(8, prev, &[(9, 101)])),
        Err(OutOfReach::TermAboveVote { term: 9, vote: 8 })
    );
    assert!(OWN.append(&append(u64::MAX, prev, &[])).is_err());
    let far = Some(log_id(7, u64::MAX));
    assert!(OWN.append(&append(8, far, &[])).is_err());
}

#[test]
fn a_transfer_and_answers_are_bounded_too() {
    let transfer = |term, last| {
        OWN.transfer(&TransferLeaderRequest::new(
            Vote::new_committed(term, 2),
            1,
            Some(last),
        ))
    };
    assert_eq!(transfer(7, log_id(7, 100)), Ok(()));
    assert!(transfer(u64::MAX, log_id(7, 100)).is_err());
    assert!(transfer(7, log_id(7, u64::MAX)).is_err());

    let far = Vote::new(u64::MAX, 3);
    let call = Reach::of_call(&Vote::new(7, 1), None);
    assert!(
        call.vote_answer(&VoteResponse::new(far, None, false))
            .is_err()
    );
    assert!(
        call.append_answer(&AppendEntriesResponse::HigherVote(far))
            .is_err()
    );
    assert!(call.append_answer(&AppendEntriesResponse::Success).is_ok());
    assert!(call.snapshot_answer(&SnapshotResponse::new(far)).is_err());
}
