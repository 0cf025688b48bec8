//! [`FenceReason`]: why a broker is in the state it is in.

use serde::{Deserialize, Serialize};

/// Why a broker's registration last changed. The texts are frozen: they are in every log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FenceReason {
    /// It registered; it is fenced until it has caught up with the metadata log.
    Registered,
    /// It registered again within one run; its state was kept.
    RegistrationAmended,
    /// It has caught up and is in service.
    CaughtUp,
    /// Nothing was heard of it for a whole session.
    SessionTimeout,
    /// Its session connection broke and a new connection was refused: the process is gone.
    ConnectionRefused,
    /// It asked to be fenced.
    Requested,
    /// It asked to stop and is handing its leaderships over.
    ControlledShutdown,
    /// It asked to stop and was let go.
    ShutDown,
    /// It reported a failed directory.
    DirectoryFailed,
}

impl FenceReason {
    /// The text, as in the log.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::RegistrationAmended => "registration-amended",
            Self::CaughtUp => "caught-up",
            Self::SessionTimeout => "session-timeout",
            Self::ConnectionRefused => "connection-refused",
            Self::Requested => "requested",
            Self::ControlledShutdown => "controlled-shutdown",
            Self::ShutDown => "shut-down",
            Self::DirectoryFailed => "directory-failed",
        }
    }
}

impl std::fmt::Display for FenceReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}
