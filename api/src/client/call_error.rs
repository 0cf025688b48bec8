//! [`CallError`]: what can come back instead of an answer.

use crate::ApiError;

/// Why a call gave no answer. It says whether the callee may have done the work all the same.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No connection: the callee has not seen the request.
    #[error("cannot reach {address}: {cause}")]
    Unreachable {
        /// `host:port`.
        address: String,
        /// The system's word.
        cause: String,
    },
    /// No answer in time: the callee may do, or have done, the work.
    #[error("no answer from {address} in time")]
    TimedOut {
        /// `host:port`.
        address: String,
    },
    /// The connection broke after the request was sent: the work may be done.
    #[error("the connection to {address} broke before its answer: {cause}")]
    Broken {
        /// `host:port`.
        address: String,
        /// The system's word.
        cause: String,
    },
    /// The callee refused.
    #[error(transparent)]
    Refused(#[from] ApiError),
    /// The callee answered something else than the message expected.
    #[error("unreadable answer from {address}: {cause}")]
    Unreadable {
        /// `host:port`.
        address: String,
        /// What was wrong.
        cause: String,
    },
}

impl CallError {
    /// Whether another address, or a later try, may do better.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Broken { .. } => true,
            Self::Refused(refusal) => refusal.body.retriable,
            Self::Unreadable { .. } => false,
        }
    }

    /// Whether the callee surely did nothing.
    #[must_use]
    pub fn is_surely_without_effect(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Refused(_))
    }

    /// What went wrong with a call to `address`, as its client tells.
    #[must_use]
    pub fn of(error: &reqwest::Error, address: &str) -> Self {
        let address = address.to_owned();
        if error.is_connect() {
            Self::Unreachable {
                address,
                cause: innermost(error),
            }
        } else if error.is_timeout() {
            Self::TimedOut { address }
        } else {
            Self::Broken {
                address,
                cause: innermost(error),
            }
        }
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
