//! [`Held`]: appends that do not wait for the ISR, while a member of it is too far behind.
//!
//! Whether one is held is decided by the leader's core. Here they stand in the order in which they
//! came, until they are let go, their time is up, or the leadership ends; nothing of them is written
//! before. The budgets of waiting appends bound them, too: they keep their shares.

use std::collections::VecDeque;

use tokio::time::Instant;
use trimaran_api::replica::RequiredAcks;
use trimaran_replication::leader::Outcome;
use trimaran_types::KafkaError;

use super::event::AppendRequest;
use super::owner::Owner;
use super::refusal::held_back;
use super::role::Role;

/// Appends in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Held {
    queue: VecDeque<AppendRequest>,
    /// No deadline lies before this.
    earliest_deadline: Option<Instant>,
}

impl Held {
    fn push(&mut self, request: AppendRequest) {
        let deadline = request.deadline;
        let earliest = self
            .earliest_deadline
            .map_or(deadline, |it| it.min(deadline));
        self.earliest_deadline = Some(earliest);
        self.queue.push_back(request);
    }

    /// Takes from the front while `may` says so of the bytes that were taken before.
    fn take_while(&mut self, may: impl Fn(u64) -> bool) -> Vec<AppendRequest> {
        let (mut taken, mut bytes_ahead) = (Vec::new(), 0);
        while !self.queue.is_empty() && may(bytes_ahead) {
            let Some(request) = self.queue.pop_front() else {
                break;
            };
            bytes_ahead += request.bytes();
            taken.push(request);
        }
        if self.queue.is_empty() {
            self.earliest_deadline = None;
        }
        taken
    }

    pub(super) fn take_all(&mut self) -> VecDeque<AppendRequest> {
        self.earliest_deadline = None;
        std::mem::take(&mut self.queue)
    }

    fn take_expired(&mut self, now: Instant) -> Vec<AppendRequest> {
        if self.earliest_deadline.is_none_or(|earliest| now < earliest) {
            return Vec::new();
        }
        let (expired, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.queue)
            .into_iter()
            .partition(|request| request.deadline <= now);
        self.queue = waiting.into();
        self.earliest_deadline = self.queue.iter().map(|request| request.deadline).min();
        expired
    }
}

impl Owner {
    /// Keeps back what must wait for a follower, and gives the rest to be written now.
    pub(super) fn hold_back(&mut self, requests: Vec<AppendRequest>) -> Vec<AppendRequest> {
        let Role::Leader(leader) = &self.role else {
            return requests;
        };
        let (now, mut bytes_ahead) = (self.clock.now(), 0);
        let mut free = Vec::with_capacity(requests.len());
        for request in requests {
            // One that waits for the ISR is slowed down by that, and overtakes.
            let must_wait = request.acks != RequiredAcks::All
                && (!self.held.queue.is_empty() || leader.holds_back(now, bytes_ahead));
            if must_wait {
                self.held.push(request);
            } else {
                bytes_ahead += request.bytes();
                free.push(request);
            }
        }
        free
    }

    /// Writes what need not be held any more, and refuses what cannot wait longer. Cheap while
    /// nothing is held.
    pub(super) fn release_held(&mut self) {
        while !self.held.queue.is_empty() {
            let Role::Leader(leader) = &self.role else {
                self.refuse_held();
                return;
            };
            let now = self.clock.now();
            let held = &mut self.held;
            let free = held.take_while(|bytes_ahead| !leader.holds_back(now, bytes_ahead));
            if free.is_empty() {
                break;
            }
            // What is refused instead of written leaves its room to the next ones.
            self.append_now(free);
        }
        for request in self.held.take_expired(Instant::now()) {
            let _ = request.reply.send(Err(held_back(&self.name)));
        }
    }

    /// This replica leads no more: they may be sent to who does.
    fn refuse_held(&mut self) {
        let error = match self.role {
            Role::Failed => KafkaError::KafkaStorageError,
            _ => KafkaError::NotLeaderOrFollower,
        };
        for request in self.held.take_all() {
            self.refuse(request, error, Outcome::NothingWritten);
        }
    }

    /// When something that is held must be looked at again, if nothing happens before.
    pub(super) fn held_deadline(&self) -> Option<Instant> {
        let earliest = self.held.earliest_deadline?;
        let lapse = match &self.role {
            Role::Leader(leader) => leader.holds_back_until(self.clock.now()),
            _ => None,
        };
        let lapse = lapse.map(|at| self.clock.instant(at));
        Some(lapse.map_or(earliest, |lapse| lapse.min(earliest)))
    }
}
