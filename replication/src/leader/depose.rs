//! The end of a leadership.

use trimaran_types::KafkaError;

use super::{Action, Leader};

impl Leader {
    /// Ends the leadership: nothing that waits is acknowledged (P-ONE-LEADER).
    ///
    /// The records stay in the log; the next leader's history decides about them.
    #[must_use]
    pub fn depose(self) -> Vec<Action> {
        self.suspend().end_with(KafkaError::NotLeaderOrFollower)
    }
}
