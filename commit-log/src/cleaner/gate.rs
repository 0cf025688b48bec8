//! [`CleaningGate`]: one pass over a log at a time, and none after its end.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
struct Gate {
    is_closed: bool,
    is_running: bool,
}

/// Lets one pass in, until it is closed.
#[derive(Debug)]
pub(crate) struct CleaningGate {
    gate: Mutex<Gate>,
    left: Condvar,
}

/// A pass that is inside; it leaves when this is dropped.
#[derive(Debug)]
pub(super) struct Inside<'a>(&'a CleaningGate);

impl CleaningGate {
    /// Nobody is inside.
    pub(crate) const fn open() -> Self {
        Self {
            gate: Mutex::new(Gate {
                is_closed: false,
                is_running: false,
            }),
            left: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes in; `None` when another pass is inside or the log has ended.
    pub(super) fn enter(&self) -> Option<Inside<'_>> {
        let mut gate = self.lock();
        if gate.is_closed || gate.is_running {
            return None;
        }
        gate.is_running = true;
        Some(Inside(self))
    }

    /// Whether the pass inside must leave.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Lets no pass in any more and asks the one inside to leave.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
    }

    /// The same, and waits until it has left.
    pub(crate) fn close_and_wait(&self) {
        let mut gate = self.lock();
        gate.is_closed = true;
        while gate.is_running {
            gate = self.left.wait(gate).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.lock().is_running = false;
        self.0.left.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pass_at_a_time_and_none_after_the_end() {
        let gate = CleaningGate::open();
        let inside = gate.enter().expect("nobody is inside");
        assert!(gate.enter().is_none());
        drop(inside);
        let inside = gate.enter().expect("it has left");
        std::thread::scope(|scope| {
            let closing = scope.spawn(|| gate.close_and_wait());
            while !gate.is_closed() {
                std::thread::yield_now();
            }
            assert!(!closing.is_finished());
            drop(inside);
        });
        assert!(gate.enter().is_none());
    }
}
