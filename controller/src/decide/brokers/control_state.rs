//! Where a broker stands, and where a heartbeat takes it (KIP-631, the table of broker states).

use trimaran_metadata::BrokerRegistration;

/// Where a broker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ControlState {
    /// Registered and not in service.
    Fenced,
    /// In service.
    Unfenced,
    /// Out of every ISR, waiting until the other brokers know.
    ControlledShutdown,
    /// Fenced, and may stop.
    ShutdownNow,
}

/// What a heartbeat says, and what the controller knows beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) want_fence: bool,
    pub(super) want_shutdown: bool,
    /// It has applied its own registration and has a directory to serve from.
    pub(super) is_ready: bool,
    /// It leads a partition.
    pub(super) leads: bool,
    /// Every active broker has applied its going, so nobody calls it any more.
    pub(super) shutdown_is_known: bool,
    /// It has begun to shut down under this registration: there is no way back.
    pub(super) began_shutdown: bool,
}

impl ControlState {
    pub(super) const fn of(registration: &BrokerRegistration) -> Self {
        if registration.fenced {
            Self::Fenced
        } else if registration.in_controlled_shutdown {
            Self::ControlledShutdown
        } else {
            Self::Unfenced
        }
    }

    /// The state after a heartbeat.
    pub(super) const fn after(self, facts: Facts) -> Self {
        match self {
            Self::Fenced if facts.want_shutdown => Self::ShutdownNow,
            Self::Fenced if !facts.want_fence && facts.is_ready && !facts.began_shutdown => {
                Self::Unfenced
            }
            Self::Fenced => Self::Fenced,
            Self::Unfenced if facts.want_fence && facts.want_shutdown => Self::ShutdownNow,
            Self::Unfenced if facts.want_fence => Self::Fenced,
            Self::Unfenced if facts.want_shutdown && facts.leads => Self::ControlledShutdown,
            Self::Unfenced if facts.want_shutdown => Self::ShutdownNow,
            Self::Unfenced => Self::Unfenced,
            Self::ControlledShutdown if !facts.leads && facts.shutdown_is_known => {
                Self::ShutdownNow
            }
            Self::ControlledShutdown => Self::ControlledShutdown,
            Self::ShutdownNow => Self::ShutdownNow,
        }
    }

    pub(super) const fn is_fenced(self) -> bool {
        matches!(self, Self::Fenced | Self::ShutdownNow)
    }
}

#[cfg(test)]
mod tests {
    use super::ControlState::{ControlledShutdown, Fenced, ShutdownNow, Unfenced};
    use super::*;

    const IDLE: Facts = Facts {
        want_fence: false,
        want_shutdown: false,
        is_ready: false,
        leads: false,
        shutdown_is_known: false,
        began_shutdown: false,
    };

    #[test]
    fn every_row_of_the_state_table() {
        let want_fence = Facts {
            want_fence: true,
            is_ready: true,
            leads: true,
            ..IDLE
        };
        let want_shutdown = Facts {
            want_shutdown: true,
            is_ready: true,
            ..IDLE
        };
        let rows = [
            (
                "a fenced broker may stop at once",
                Fenced,
                want_shutdown,
                ShutdownNow,
            ),
            (
                "caught up",
                Fenced,
                Facts {
                    is_ready: true,
                    ..IDLE
                },
                Unfenced,
            ),
            ("not caught up", Fenced, IDLE, Fenced),
            (
                "caught up, wants to stay fenced",
                Fenced,
                want_fence,
                Fenced,
            ),
            (
                "no way back from shutdown",
                Fenced,
                Facts {
                    is_ready: true,
                    began_shutdown: true,
                    ..IDLE
                },
                Fenced,
            ),
            ("wants nothing", Unfenced, IDLE, Unfenced),
            ("wants to be fenced", Unfenced, want_fence, Fenced),
            (
                "wants both",
                Unfenced,
                Facts {
                    want_shutdown: true,
                    ..want_fence
                },
                ShutdownNow,
            ),
            ("leads nothing", Unfenced, want_shutdown, ShutdownNow),
            (
                "leads something",
                Unfenced,
                Facts {
                    leads: true,
                    ..want_shutdown
                },
                ControlledShutdown,
            ),
            (
                "still leads",
                ControlledShutdown,
                Facts {
                    leads: true,
                    shutdown_is_known: true,
                    ..want_shutdown
                },
                ControlledShutdown,
            ),
            (
                "others do not know yet",
                ControlledShutdown,
                want_shutdown,
                ControlledShutdown,
            ),
            (
                "others know",
                ControlledShutdown,
                Facts {
                    shutdown_is_known: true,
                    ..want_shutdown
                },
                ShutdownNow,
            ),
        ];
        for (row, state, facts, expected) in rows {
            assert_eq!(state.after(facts), expected, "{row}");
        }
    }
}
