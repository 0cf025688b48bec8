//! Tables of answers, each with the whole list of actions.

use trimaran_types::KafkaError;

use super::*;

const EPOCH: LeaderEpoch = LeaderEpoch(5);

fn positions(log_start: i64, log_end: i64) -> LogPositions {
    LogPositions {
        log_start: Offset(log_start),
        flushed_end: Offset(log_end),
        log_end: Offset(log_end),
    }
}

fn follower(log_start: i64, log_end: i64, high_watermark: i64) -> Follower {
    let last = (log_start < log_end).then_some(LeaderEpoch(4));
    Follower::start(
        EPOCH,
        positions(log_start, log_end),
        last,
        Offset(high_watermark),
    )
}

fn bounds(log_start: i64, high_watermark: i64) -> LeaderBounds {
    LeaderBounds {
        log_start: Offset(log_start),
        high_watermark: Offset(high_watermark),
    }
}

fn answer(follower: &mut Follower, answer: &LeaderAnswer) -> Vec<Action> {
    let asked = follower.next_fetch().expect("not parked");
    // The own history: epoch 2 up to 4, epoch 4 up to the end.
    let end = follower.positions().log_end;
    follower.fetched(&asked, answer, |epoch| match epoch.0 {
        i32::MIN..=1 => Some((epoch, Offset(0))),
        2 | 3 => Some((LeaderEpoch(2), Offset(4))),
        4 => Some((LeaderEpoch(4), end)),
        _ => None,
    })
}

fn records(base: i64, last_epoch: i32, bounds: LeaderBounds) -> LeaderAnswer {
    let records = FetchedRecords {
        base_offset: Offset(base),
        last_epoch: LeaderEpoch(last_epoch),
    };
    LeaderAnswer::Records {
        bounds,
        records: Some(records),
    }
}

fn advance(to: i64) -> Action {
    Action::AdvanceHighWatermark { to: Offset(to) }
}

#[test]
fn records_are_appended_and_the_high_watermark_follows() {
    let mut follower = follower(0, 10, 6);
    // The leader's high watermark is ahead of this log: known up to the log's end, no further.
    assert_eq!(
        answer(&mut follower, &records(10, 5, bounds(0, 12))),
        vec![Action::Append, advance(10)]
    );
    assert_eq!(
        follower.appended(Offset(15), Some(EPOCH)),
        vec![advance(12)]
    );
    let fetch = follower.next_fetch().unwrap();
    assert_eq!(
        (
            fetch.fetch_offset,
            fetch.flushed_end,
            fetch.last_fetched_epoch
        ),
        (Offset(15), Offset(10), Some(EPOCH))
    );
    follower.flushed(Offset(15));
    assert_eq!(follower.next_fetch().unwrap().flushed_end, Offset(15));
    // Never back.
    let nothing = LeaderAnswer::Records {
        bounds: bounds(0, 3),
        records: None,
    };
    assert_eq!(answer(&mut follower, &nothing), vec![]);
    assert_eq!(follower.high_watermark(), Offset(12));
}

#[test]
fn records_that_do_not_continue_the_log_are_refused() {
    let corrupt = vec![Action::Pause {
        error: KafkaError::CorruptMessage,
    }];
    for (base, epoch) in [(9, 5), (10, 6), (11, 6)] {
        let mut follower = follower(0, 10, 6);
        assert_eq!(
            answer(&mut follower, &records(base, epoch, bounds(0, 20))),
            corrupt
        );
        assert_eq!(follower.high_watermark(), Offset(6));
    }
    // An empty log may begin inside the leader's first batch.
    let mut empty = follower(7, 7, 7);
    assert_eq!(
        answer(&mut empty, &records(5, 5, bounds(7, 7))),
        vec![Action::Append]
    );
}

#[test]
fn records_behind_a_gap_of_the_leader_are_appended() {
    // In the log, and in one that has just begun at the leader's start.
    for (log_start, expected) in [
        (0, vec![Action::Append, advance(10)]),
        (10, vec![Action::Append]),
    ] {
        let mut follower = follower(log_start, 10, 6);
        let records = records(14, 5, bounds(log_start, 12));
        assert_eq!(answer(&mut follower, &records), expected);
        assert_eq!(
            follower.appended(Offset(15), Some(EPOCH)),
            vec![advance(12)]
        );
        assert_eq!(follower.next_fetch().unwrap().fetch_offset, Offset(15));
    }
}

#[test]
fn a_late_answer_is_dropped() {
    let mut follower = follower(0, 10, 6);
    let asked = follower.next_fetch().unwrap();
    for stale in [
        FetchPosition {
            leader_epoch: LeaderEpoch(4),
            ..asked
        },
        FetchPosition {
            fetch_offset: Offset(9),
            ..asked
        },
        FetchPosition {
            last_fetched_epoch: Some(LeaderEpoch(3)),
            ..asked
        },
    ] {
        let answer = records(10, 5, bounds(0, 20));
        assert_eq!(follower.fetched(&stale, &answer, |_| None), vec![]);
    }
}

#[test]
fn the_log_is_cut_by_epochs() {
    let cut = |to, below| {
        vec![Action::TruncateTo {
            to: Offset(to),
            below_high_watermark: below,
        }]
    };
    let pause = vec![Action::Pause {
        error: KafkaError::CorruptMessage,
    }];
    // Mutant "truncate to the high watermark" (6) dies on the first and the third row.
    for (epoch, end, expected) in [
        // Both have epoch 4: the shorter end of it.
        (4, 8, cut(8, false)),
        (4, 5, cut(5, true)),
        // Unknown epoch 3: the own smaller epochs whole, then ask again.
        (3, 7, cut(4, true)),
        (2, 3, cut(3, true)),
        (2, 9, cut(4, true)),
        (1, 1, cut(0, true)),
        // A difference that this log does not have.
        (4, 10, pause.clone()),
        (4, 12, pause),
    ] {
        let mut follower = follower(0, 10, 6);
        let diverging = LeaderAnswer::Diverging {
            epoch: LeaderEpoch(epoch),
            end: Offset(end),
        };
        assert_eq!(
            answer(&mut follower, &diverging),
            expected,
            "epoch {epoch} end {end}"
        );
    }
    // What is to stay lies below the own start: nothing stays.
    let mut late = follower(3, 10, 6);
    let diverging = LeaderAnswer::Diverging {
        epoch: LeaderEpoch(1),
        end: Offset(1),
    };
    assert_eq!(
        answer(&mut late, &diverging),
        vec![Action::StartAt { at: Offset(0) }]
    );
}

#[test]
fn a_cut_log_forgets_what_the_leader_said_of_the_other_history() {
    let mut follower = follower(0, 10, 6);
    answer(
        &mut follower,
        &LeaderAnswer::Records {
            bounds: bounds(0, 9),
            records: None,
        },
    );
    assert_eq!(follower.high_watermark(), Offset(9));
    follower.truncated(positions(0, 4), Some(LeaderEpoch(2)));
    assert_eq!(follower.high_watermark(), Offset(4));
    assert_eq!(follower.appended(Offset(8), Some(EPOCH)), vec![]);
    assert_eq!(follower.next_fetch().unwrap().flushed_end, Offset(4));
}

#[test]
fn refusals_pause_park_or_begin_anew() {
    let pause = |error| vec![Action::Pause { error }];
    for (log, error, leader, expected) in [
        ((0, 10), KafkaError::UnknownLeaderEpoch, bounds(0, 0), None),
        ((0, 10), KafkaError::NotLeaderOrFollower, bounds(0, 0), None),
        ((0, 10), KafkaError::KafkaStorageError, bounds(0, 0), None),
        // Retention has overtaken this log.
        (
            (0, 10),
            KafkaError::OffsetOutOfRange,
            bounds(11, 20),
            Some(11),
        ),
        // Records that the leader covers are never dropped for a refusal.
        ((0, 10), KafkaError::OffsetOutOfRange, bounds(10, 20), None),
        ((0, 10), KafkaError::OffsetOutOfRange, bounds(0, 5), None),
        // An empty log that begins where the leader has nothing.
        (
            (30, 30),
            KafkaError::OffsetOutOfRange,
            bounds(10, 20),
            Some(10),
        ),
        ((10, 10), KafkaError::OffsetOutOfRange, bounds(10, 20), None),
    ] {
        let mut follower = follower(log.0, log.1, 0);
        let refused = LeaderAnswer::Refused {
            error,
            bounds: leader,
        };
        let expected = match expected {
            Some(at) => vec![Action::StartAt { at: Offset(at) }],
            None => pause(error),
        };
        assert_eq!(
            answer(&mut follower, &refused),
            expected,
            "{log:?} {error} {leader:?}"
        );
    }
    let mut fenced = follower(0, 10, 6);
    let error = KafkaError::FencedLeaderEpoch;
    let refused = LeaderAnswer::Refused {
        error,
        bounds: bounds(0, 0),
    };
    assert_eq!(answer(&mut fenced, &refused), vec![Action::Park { error }]);
    assert_eq!(fenced.next_fetch(), None);
}

#[test]
fn the_log_start_follows_the_leaders() {
    let mut follower = follower(0, 10, 6);
    let nothing = LeaderAnswer::Records {
        bounds: bounds(7, 8),
        records: None,
    };
    assert_eq!(
        answer(&mut follower, &nothing),
        vec![Action::RaiseLogStart { to: Offset(7) }, advance(8)]
    );
    follower.log_start_raised(Offset(7));
    assert_eq!(follower.positions(), positions(7, 10));
}
