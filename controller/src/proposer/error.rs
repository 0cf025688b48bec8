//! [`ProposeError`].

use trimaran_api::ApiError;
use trimaran_types::KafkaError;

use crate::decide::Refusal;

/// Why a change was not made, or why nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// The decision was to refuse it.
    #[error("{}: {}", .0.error, .0.message)]
    Refused(Refusal),
    /// This controller is not active, or stopped being so before the change was written.
    #[error("this controller is not the active one")]
    NotController,
    /// No answer in time, or leadership was lost meanwhile: the change may still take effect.
    #[error("the change was not confirmed in time; it may still take effect")]
    Unknown,
    /// Too many changes wait.
    #[error("too many changes wait for the active controller")]
    Busy,
    /// The change cannot be written: too large, or a decision that contradicts the image.
    #[error("the change cannot be written: {0}")]
    Unwritable(String),
}

impl From<ProposeError> for ApiError {
    fn from(error: ProposeError) -> Self {
        let message = error.to_string();
        match error {
            ProposeError::Refused(refusal) => Self::kafka(refusal.error, refusal.message),
            ProposeError::NotController => Self::kafka(KafkaError::NotController, message),
            ProposeError::Unknown => Self::kafka(KafkaError::RequestTimedOut, message),
            ProposeError::Busy => Self::kafka(KafkaError::BrokerNotAvailable, message),
            ProposeError::Unwritable(_) => Self::kafka(KafkaError::PolicyViolation, message),
        }
    }
}
