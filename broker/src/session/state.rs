//! [`SessionState`]: what the controllers last said.

use trimaran_types::BrokerEpoch;

/// Where this broker stands with the controllers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionState {
    /// The registration in force.
    pub broker_epoch: BrokerEpoch,
    /// They hold it out of service.
    pub is_fenced: bool,
    /// It has applied its own registration.
    pub is_caught_up: bool,
    /// It may stop now.
    pub should_shut_down: bool,
    /// The last heartbeat was answered.
    pub is_heard: bool,
}

impl SessionState {
    /// A broker that has just been registered: fenced until its heartbeats say that it is ready.
    #[must_use]
    pub const fn registered(broker_epoch: BrokerEpoch) -> Self {
        Self {
            broker_epoch,
            is_fenced: true,
            is_caught_up: false,
            should_shut_down: false,
            is_heard: true,
        }
    }
}
