//! [`Waiters`]: appends in the log that the high watermark has not passed.
//!
//! Their number is bounded by the owner, which admits no more than its budget of waiting bytes and
//! requests allows.

use std::collections::VecDeque;

use trimaran_types::{KafkaError, MonotonicTime, Offset};

use super::{Action, Appended, Outcome, WaiterId};

/// One append that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiter {
    pub(super) id: WaiterId,
    pub(super) base_offset: Offset,
    pub(super) end: Offset,
    deadline: MonotonicTime,
}

/// Waiting appends, in the order of their ends.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    queue: VecDeque<Waiter>,
    /// No deadline lies before this; it may be early, since answered waiters do not raise it.
    earliest_deadline: Option<MonotonicTime>,
}

impl Waiters {
    /// Adds one that ends above the high watermark.
    pub(super) fn push(&mut self, appended: &Appended, deadline: MonotonicTime) {
        let waiter = Waiter {
            id: appended.waiter,
            base_offset: appended.base_offset,
            end: appended.end,
            deadline,
        };
        // Nearly always the last: only a repetition waits for records that are in the log already.
        let later = self.queue.iter().rev();
        let later = later.take_while(|other| other.end > waiter.end).count();
        self.queue.insert(self.queue.len() - later, waiter);
        let earliest = self
            .earliest_deadline
            .map_or(deadline, |known| known.min(deadline));
        self.earliest_deadline = Some(earliest);
    }

    pub(super) fn pop_before(&mut self, high_watermark: Offset) -> Option<Waiter> {
        let passed = self
            .queue
            .front()
            .is_some_and(|waiter| waiter.end <= high_watermark);
        let waiter = if passed { self.queue.pop_front() } else { None };
        if self.queue.is_empty() {
            self.earliest_deadline = None;
        }
        waiter
    }

    /// Refuses those whose deadline has come; their records stay in the log.
    pub(super) fn refuse_expired(
        &mut self,
        now: MonotonicTime,
        error: KafkaError,
        actions: &mut Vec<Action>,
    ) {
        let outcome = Outcome::Unknown;
        let refuse = |waiter: Waiter| Action::Refuse {
            waiter: waiter.id,
            error,
            outcome,
        };
        actions.extend(self.take_expired(now).into_iter().map(refuse));
    }

    fn take_expired(&mut self, now: MonotonicTime) -> Vec<Waiter> {
        if self.earliest_deadline.is_none_or(|earliest| now < earliest) {
            return Vec::new();
        }
        let (expired, waiting): (Vec<_>, VecDeque<_>) = {
            let expired = self.queue.iter().filter(|waiter| waiter.deadline <= now);
            let waiting = self.queue.iter().filter(|waiter| waiter.deadline > now);
            (expired.copied().collect(), waiting.copied().collect())
        };
        self.queue = waiting;
        self.earliest_deadline = self.queue.iter().map(|waiter| waiter.deadline).min();
        expired
    }

    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Waiter> + '_ {
        self.earliest_deadline = None;
        self.queue.drain(..)
    }

    pub(super) const fn earliest_deadline(&self) -> Option<MonotonicTime> {
        self.earliest_deadline
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Waiter> {
        self.queue.iter()
    }
}
