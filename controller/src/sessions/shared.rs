//! [`SharedSessions`]: the sessions behind a lock that is held for moments only.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Sessions;

/// The sessions, for heartbeats, decisions and the watchman alike. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct SharedSessions {
    sessions: Arc<Mutex<Sessions>>,
    sweep_owed: Arc<Notify>,
}

impl SharedSessions {
    /// Shares `sessions`.
    #[must_use]
    pub(crate) fn new(sessions: Sessions) -> Self {
        Self {
            sessions: Arc::new(Mutex::new(sessions)),
            sweep_owed: Arc::new(Notify::new()),
        }
    }

    /// Exclusive access; never held across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Elections are to be made; the watchman makes them at once.
    pub(crate) fn owe_sweep(&self) {
        self.lock().owe_sweep();
        self.sweep_owed.notify_one();
    }

    /// Waits until somebody owes elections. For the watchman alone.
    pub(crate) async fn sweep_owed(&self) {
        self.sweep_owed.notified().await;
    }
}
