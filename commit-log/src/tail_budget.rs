//! [`TailBudget`]: the bound on what all hot tails of a process hold together.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError, Weak};

use crate::shared::Shared;

/// Bounds the memory of hot tails. When it is passed, the logs that were appended to longest ago
/// lose their tails until an eighth is free.
#[derive(Debug)]
pub struct TailBudget {
    bytes_max: usize,
    used: AtomicUsize,
    clock: AtomicU64,
    logs: Mutex<Vec<Weak<Shared>>>,
}

impl TailBudget {
    /// Allows `bytes_max` for all logs together.
    #[must_use]
    pub const fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            used: AtomicUsize::new(0),
            clock: AtomicU64::new(0),
            logs: Mutex::new(Vec::new()),
        }
    }

    /// Bytes that all tails hold now.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Makes a log's tail one of those that may be dropped.
    pub(crate) fn register(&self, log: Weak<Shared>) {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        // Only when it would grow, or opening many logs would cost their square.
        if logs.len() == logs.capacity() {
            logs.retain(|known| known.strong_count() > 0);
        }
        logs.push(log);
    }

    /// The next moment of the budget's own clock.
    pub(crate) fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    /// Accounts for a tail that held `before` bytes and now holds `after`.
    pub(crate) fn changed(&self, before: usize, after: usize) {
        if after >= before {
            self.used.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.used.fetch_sub(before - after, Ordering::Relaxed);
        }
    }

    /// Drops tails if the bound is passed. Not to be called with a log's lock held.
    pub(crate) fn enforce(&self) {
        if self.used_bytes() <= self.bytes_max {
            return;
        }
        let mut logs = match self.logs.try_lock() {
            Ok(logs) => logs,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Someone else is at it.
            Err(TryLockError::WouldBlock) => return,
        };
        let mut live = Vec::with_capacity(logs.len());
        logs.retain(|known| {
            known.upgrade().is_some_and(|log| {
                live.push(log);
                true
            })
        });
        live.sort_by_key(|log| log.last_append());
        let goal = self.bytes_max - self.bytes_max / 8;
        for log in live {
            if self.used_bytes() <= goal {
                break;
            }
            log.drop_tail();
        }
    }
}
