//! [`CleaningGate`]: one pass over a log at a time, and none after its end, which waits for no pause.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::reader::LogReader;

#[derive(Debug, Default)]
struct Gate {
    is_closed: bool,
    is_running: bool,
    /// The pass inside is to leave.
    is_interrupted: bool,
}

impl Gate {
    const fn may_go_on(&self) -> bool {
        !self.is_closed && !self.is_interrupted
    }
}

/// Lets one pass in, until it is closed.
#[derive(Debug)]
pub(crate) struct CleaningGate {
    gate: Mutex<Gate>,
    changed: Condvar,
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
                is_interrupted: false,
            }),
            changed: Condvar::new(),
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
        gate.is_interrupted = false;
        Some(Inside(self))
    }

    /// Waits for so long, unless the pass inside must leave; `false` as soon as it must.
    pub(super) fn pause(&self, time: Duration) -> bool {
        let gate = self.lock();
        if time.is_zero() || !gate.may_go_on() {
            return gate.may_go_on();
        }
        let waited = self
            .changed
            .wait_timeout_while(gate, time, |gate| gate.may_go_on());
        let (gate, _) = waited.unwrap_or_else(PoisonError::into_inner);
        gate.may_go_on()
    }

    /// Asks the pass inside to leave, if there is one; others may follow.
    fn interrupt(&self) {
        self.lock().is_interrupted = true;
        self.changed.notify_all();
    }

    /// Lets no pass in any more and asks the one inside to leave.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// The same, and waits until it has left.
    pub(crate) fn close_and_wait(&self) {
        let mut gate = self.lock();
        gate.is_closed = true;
        self.changed.notify_all();
        while gate.is_running {
            let waited = self.changed.wait(gate);
            gate = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl LogReader {
    /// Ends the pass of a cleaner that is under way, if there is one: at its next step, or in its
    /// pause. Does not wait for it.
    pub fn interrupt_cleaning(&self) {
        self.shared.cleaning.interrupt();
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.lock().is_running = false;
        self.0.changed.notify_all();
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
            while gate.pause(Duration::ZERO) {
                std::thread::yield_now();
            }
            assert!(!closing.is_finished());
            drop(inside);
        });
        assert!(gate.enter().is_none());
    }

    #[test]
    fn a_pause_ends_when_the_pass_must_leave() {
        const FOR_EVER: Duration = Duration::from_secs(1 << 30);
        let gate = CleaningGate::open();
        for end in [CleaningGate::interrupt, CleaningGate::close] {
            let inside = gate.enter().expect("nobody is inside");
            assert!(gate.pause(Duration::ZERO));
            std::thread::scope(|scope| {
                let pausing = scope.spawn(|| gate.pause(FOR_EVER));
                end(&gate);
                assert!(!pausing.join().expect("no panic"));
            });
            assert!(!gate.pause(FOR_EVER), "nor does another one begin");
            drop(inside);
        }
        assert!(gate.enter().is_none());
    }
}
