//! The work of the scrub's thread.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use trimaran_commit_log::{ReadError, Scrubbed};
use trimaran_types::TopicIdPartition;

use super::Shared;
use super::order::Order;
use super::pace::Pace;
use super::tour::Tour;
use crate::partition::PartitionHandle;
use crate::replicas::Suspected;

/// Read at once, a batch that is larger excepted.
const STEP_BYTES: usize = 1024 * 1024;

/// How long the thread sleeps before it looks whether there is more or other work; less when the
/// interval is shorter.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How long it leaves things alone after a look that came to nothing.
const PAUSE: Duration = Duration::from_secs(1);

/// How a tour ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Complete,
    /// The replica is gone, damaged, or cannot be read now.
    BrokenOff,
    Stopping,
}

impl Shared {
    /// Looks through one log after the other until it is told to stop.
    pub(super) fn work(&self) {
        if !self.wait(self.first_after) {
            return;
        }
        let mut order = Order::new(self.seed, Instant::now());
        let mut pace = Pace::new(self.config.bytes_per_second_max, self.config.interval);
        loop {
            self.condemn_kept();
            let tour = self.next(&mut order);
            let pause = match tour {
                None => self.look_every(),
                Some(tour) => {
                    // A panic must not end the search for damage; the log's turn comes again.
                    let toured =
                        catch_unwind(AssertUnwindSafe(|| self.go_through(tour, &mut pace)));
                    let ended = toured.unwrap_or_else(|_| {
                        tracing::error!(partition = ?tour.id(), "looking through a log panicked");
                        Ended::BrokenOff
                    });
                    order.done(tour.id(), Instant::now());
                    match ended {
                        Ended::Complete => {
                            self.stats.done();
                            Duration::ZERO
                        }
                        Ended::BrokenOff => PAUSE,
                        Ended::Stopping => return,
                    }
                }
            };
            if !self.wait(pause) {
                return;
            }
        }
    }

    fn look_every(&self) -> Duration {
        LOOK_EVERY.min(self.config.interval)
    }

    /// A tour of the log that waits longest.
    fn next(&self, order: &mut Order) -> Option<Tour> {
        let handles = self.handles();
        order.retain(
            &handles
                .iter()
                .map(PartitionHandle::id)
                .collect::<HashSet<_>>(),
        );
        let waiting = handles
            .iter()
            .filter(|handle| handle.reader().finished_bytes() > 0);
        let (id, since) = order.next(waiting.map(PartitionHandle::id))?;
        self.stats.waiting_since(since);
        let handle = handles.iter().find(|handle| handle.id() == id)?;
        Tour::begin(id, handle.reader(), order.draw(id))
    }

    /// The replicas in service.
    fn handles(&self) -> Vec<PartitionHandle> {
        let mut handles = self.replicas.table().all();
        handles.retain(PartitionHandle::is_in_service);
        handles
    }

    fn finished_bytes(&self) -> u64 {
        let handles = self.handles();
        handles
            .iter()
            .map(|handle| handle.reader().finished_bytes())
            .fold(0, u64::saturating_add)
    }

    fn go_through(&self, mut tour: Tour, pace: &mut Pace) -> Ended {
        loop {
            // Not held while waiting.
            let handle = self.replicas.table().get(tour.id());
            let Some(handle) = handle.filter(PartitionHandle::is_in_service) else {
                return Ended::BrokenOff;
            };
            let Some(step) = self.step(&handle, &tour) else {
                return Ended::BrokenOff;
            };
            self.stats.read(step.bytes, step.is_end_of_segment);
            let next = tour.after(step.next, handle.reader());
            drop(handle);
            if !self.pay(step.bytes, pace) {
                return Ended::Stopping;
            }
            match next {
                Some(next) => tour = next,
                None => return Ended::Complete,
            }
        }
    }

    /// Reads on; `None` when there is no going on in this log.
    fn step(&self, handle: &PartitionHandle, tour: &Tour) -> Option<Scrubbed> {
        let rate = usize::try_from(self.config.bytes_per_second_max).unwrap_or(usize::MAX);
        let bytes_max = STEP_BYTES.min(rate);
        let look = || handle.reader().scrub(tour.place(), bytes_max);
        let error = match look() {
            Ok(step) => return Some(step),
            Err(error) => error,
        };
        // Only what is damaged twice is damaged.
        let error = match look() {
            Ok(step) => {
                tracing::warn!(partition = %handle.topic(), %error, "bytes that were bad are good at a second look");
                return Some(step);
            }
            Err(error) => error,
        };
        if error.is_damage() {
            self.found(handle, &error);
        } else {
            self.stats.unreadable();
            tracing::warn!(partition = %handle.topic(), ?error, "a log cannot be looked through now");
        }
        None
    }

    fn found(&self, handle: &PartitionHandle, error: &ReadError) {
        let is_known = self
            .kept()
            .get(&handle.id())
            .is_some_and(|kept| kept.is_same(handle));
        let suspected = self.replicas.suspect(handle);
        if suspected == Suspected::Gone || is_known {
            return;
        }
        tracing::error!(partition = %handle.topic(), %error, ?suspected, "the scrub has found damage");
        self.stats.damaged();
        if suspected == Suspected::LastInSync {
            let mut kept = self.kept();
            kept.insert(handle.id(), handle.clone());
            self.stats.last_in_sync(kept.len());
        }
    }

    /// Looks whether others are in sync now with the damaged logs that were kept for the lack of them.
    fn condemn_kept(&self) {
        let mut kept = self.kept();
        kept.retain(|_, handle| self.replicas.suspect(handle) == Suspected::LastInSync);
        self.stats.last_in_sync(kept.len());
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<TopicIdPartition, PartitionHandle>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for as long as `bytes` cost; `false` when it is time to stop.
    fn pay(&self, bytes: u64, pace: &mut Pace) -> bool {
        pace.read(bytes);
        while let Some(wait) = pace.wait(self.finished_bytes()) {
            let began = Instant::now();
            if !self.wait(wait.min(self.look_every())) {
                return false;
            }
            pace.waited(began.elapsed(), self.finished_bytes());
            self.condemn_kept();
        }
        self.wait(Duration::ZERO)
    }
}
