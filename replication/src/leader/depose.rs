//! The end of a leadership.

use trimaran_types::KafkaError;

use super::{Action, Leader, Outcome};

impl Leader {
    /// Ends the leadership: nothing that waits is acknowledged (P-ONE-LEADER).
    ///
    /// The records stay in the log; the next leader's history decides about them.
    #[must_use]
    pub fn depose(self) -> Vec<Action> {
        self.end_with(KafkaError::NotLeaderOrFollower)
    }

    /// Ends the leadership because of `error`, a failed log directory for one.
    #[must_use]
    pub fn end_with(mut self, error: KafkaError) -> Vec<Action> {
        let outcome = Outcome::Unknown;
        self.waiters
            .take_all()
            .map(|waiter| Action::Refuse {
                waiter: waiter.id,
                error,
                outcome,
            })
            .collect()
    }
}
