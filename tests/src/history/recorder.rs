//! [`Recorder`]: many clients write one [`History`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Attempt, FinalRead, PositionRefused, Read};

/// All that the clients of one topic did and saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// Every try to write.
    pub attempts: Vec<Attempt>,
    /// Every answer to a read.
    pub reads: Vec<Read>,
    /// Positions reached by reading and refused later.
    pub refused_positions: Vec<PositionRefused>,
    /// The state at the end, each partition at least once.
    pub final_reads: Vec<FinalRead>,
}

/// A handle on a history in the making, with the clock that all its times are of.
#[derive(Debug, Clone)]
pub struct Recorder {
    origin: Instant,
    history: Arc<Mutex<History>>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            history: Arc::default(),
        }
    }
}

impl Recorder {
    /// Time since the run began.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// Keeps attempts.
    pub fn attempts(&self, attempts: impl IntoIterator<Item = Attempt>) {
        self.with(|history| history.attempts.extend(attempts));
    }

    /// Keeps a read.
    pub fn read(&self, read: Read) {
        self.with(|history| history.reads.push(read));
    }

    /// Keeps a refused position.
    pub fn position_refused(&self, refused: PositionRefused) {
        self.with(|history| history.refused_positions.push(refused));
    }

    /// Keeps a final read.
    pub fn final_read(&self, read: FinalRead) {
        self.with(|history| history.final_reads.push(read));
    }

    /// What was recorded so far.
    #[must_use]
    pub fn history(&self) -> History {
        self.with(|history| history.clone())
    }

    fn with<T>(&self, act: impl FnOnce(&mut History) -> T) -> T {
        // A client that panicked has failed the test; what it recorded before is still true.
        act(&mut self.history.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
