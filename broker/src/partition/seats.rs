//! [`Seats`]: what each follower last heard, and whether it waits.
//!
//! Shared by the owner and by those who serve fetches, so that the fetch of an idle partition need
//! not wake its owner: a fetch that repeats one that the owner has settled is parked without it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use trimaran_replication::leader::FollowerFetch;
use trimaran_types::{BrokerId, Offset};

/// How long a high watermark counts as known to a follower that was told it once.
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Wakes one long poll, whichever of its partitions has news. A wake-up is never lost: it is kept
/// until the poll looks.
#[derive(Debug, Default)]
pub(crate) struct FetchWaiter {
    news: Notify,
}

impl FetchWaiter {
    pub(crate) fn wake(&self) {
        self.news.notify_one();
    }

    pub(crate) async fn woken(&self) {
        self.news.notified().await;
    }
}

#[derive(Debug)]
struct Seat {
    replica: BrokerId,
    /// The high watermark and log start that it was last told, and when.
    told: Option<((Offset, Offset), Instant)>,
    parked: Option<ParkedFetch>,
}

/// A fetch that found nothing.
#[derive(Debug)]
struct ParkedFetch {
    fetch: FollowerFetch,
    /// The same fetch again would change nothing.
    settled: bool,
    waiter: Arc<FetchWaiter>,
}

/// The followers of one leader; at most one seat for each replica.
#[derive(Debug, Default)]
pub(crate) struct Seats(Mutex<Vec<Seat>>);

impl Seats {
    fn lock(&self) -> MutexGuard<'_, Vec<Seat>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Parks a fetch that the owner has found nothing for. Only the owner calls this, for only it
    /// may say that nothing has come meanwhile.
    pub(super) fn park(&self, fetch: FollowerFetch, settled: bool, waiter: Arc<FetchWaiter>) {
        let parked = Some(ParkedFetch {
            fetch,
            settled,
            waiter,
        });
        let mut seats = self.lock();
        match seats.iter_mut().find(|seat| seat.replica == fetch.replica) {
            Some(seat) => seat.parked = parked,
            None => seats.push(Seat {
                replica: fetch.replica,
                told: None,
                parked,
            }),
        }
    }

    /// Parks a fetch without the owner, if it repeats a settled one.
    pub(crate) fn park_again(&self, fetch: &FollowerFetch, waiter: &Arc<FetchWaiter>) -> bool {
        let mut seats = self.lock();
        let seat = seats.iter_mut().find(|seat| seat.replica == fetch.replica);
        match seat.and_then(|seat| seat.parked.as_mut()) {
            Some(parked) if parked.settled && parked.fetch == *fetch => {
                parked.waiter = Arc::clone(waiter);
                true
            }
            _ => false,
        }
    }

    /// Wakes everyone who waits: there is something new, so nothing is settled any more.
    pub(super) fn wake_all(&self) {
        for seat in self.lock().iter_mut() {
            if let Some(parked) = seat.parked.take() {
                parked.waiter.wake();
            }
        }
    }

    /// The next fetch of each follower must reach the owner again.
    pub(super) fn unsettle(&self) {
        for seat in self.lock().iter_mut() {
            if let Some(parked) = &mut seat.parked {
                parked.settled = false;
            }
        }
    }

    /// Forgets all followers of an ended leadership, after waking them.
    pub(super) fn clear(&self) {
        self.wake_all();
        self.lock().clear();
    }

    /// Whether the follower's fetch from `offset` was found to continue the leader's history and
    /// waits for more.
    pub(crate) fn is_parked(&self, replica: BrokerId, offset: Offset) -> bool {
        let seats = self.lock();
        let seat = seats.iter().find(|seat| seat.replica == replica);
        let parked = seat.and_then(|seat| seat.parked.as_ref());
        parked.is_some_and(|parked| parked.fetch.fetch_offset == offset)
    }

    /// Whether the follower may not know this high watermark and log start; from now on they count
    /// as told. An answer can be lost on its way, so what was told long ago is told again.
    pub(crate) fn tell(&self, replica: BrokerId, bounds: (Offset, Offset)) -> bool {
        let now = Instant::now();
        let mut seats = self.lock();
        let Some(seat) = seats.iter_mut().find(|seat| seat.replica == replica) else {
            let told = Some((bounds, now));
            seats.push(Seat {
                replica,
                told,
                parked: None,
            });
            return true;
        };
        let is_known = seat.told.is_some_and(|(told, when)| {
            told == bounds && now.duration_since(when) < TELL_AGAIN_AFTER
        });
        if !is_known {
            seat.told = Some((bounds, now));
        }
        !is_known
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimaran_types::{BrokerEpoch, LeaderEpoch};

    fn fetch(fetch_offset: i64, flushed_end: i64) -> FollowerFetch {
        FollowerFetch {
            replica: BrokerId(2),
            broker_epoch: BrokerEpoch(2),
            leader_epoch: LeaderEpoch(0),
            fetch_offset: Offset(fetch_offset),
            flushed_end: Offset(flushed_end),
            last_fetched_epoch: None,
            log_start: Offset(0),
        }
    }

    #[test]
    fn only_a_settled_fetch_is_parked_without_the_owner() {
        let seats = Seats::default();
        let waiter = Arc::new(FetchWaiter::default());
        assert!(!seats.park_again(&fetch(5, 5), &waiter));
        seats.park(fetch(5, 5), false, Arc::clone(&waiter));
        assert!(!seats.park_again(&fetch(5, 5), &waiter));
        seats.park(fetch(5, 5), true, Arc::clone(&waiter));
        assert!(seats.park_again(&fetch(5, 5), &waiter));
        assert!(
            !seats.park_again(&fetch(5, 4), &waiter),
            "another position is news"
        );
        seats.unsettle();
        assert!(!seats.park_again(&fetch(5, 5), &waiter));
        assert!(seats.is_parked(BrokerId(2), Offset(5)));
    }

    #[tokio::test]
    async fn news_wake_the_newest_poll_even_before_it_waits() {
        let seats = Seats::default();
        let (first, second) = (
            Arc::new(FetchWaiter::default()),
            Arc::new(FetchWaiter::default()),
        );
        seats.park(fetch(5, 5), true, first);
        assert!(seats.park_again(&fetch(5, 5), &second));
        seats.wake_all();
        second.woken().await;
        assert!(!seats.is_parked(BrokerId(2), Offset(5)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_high_watermark_is_told_once_and_again_after_a_while() {
        let seats = Seats::default();
        let tell = |at| seats.tell(BrokerId(2), (Offset(at), Offset(0)));
        assert_eq!(
            [tell(1), tell(1), tell(2), tell(2)],
            [true, false, true, false]
        );
        tokio::time::advance(TELL_AGAIN_AFTER).await;
        assert_eq!([tell(2), tell(2)], [true, false]);
        seats.clear();
        assert!(tell(2));
        let later_start = (Offset(2), Offset(1));
        assert!(seats.tell(BrokerId(2), later_start), "a log start is news");
    }
}
