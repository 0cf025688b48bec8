//! [`ApiError`]: every refusal on every listener, and its one mapping to status and code.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use trimaran_types::KafkaError;

/// The JSON body of every answer that is not a success.
///
/// `error_code` and `message` are those of Confluent's REST APIs, so that their clients understand
/// them; `kafka_error` and `retriable` say what those leave out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The HTTP status, or a status and two more digits: 404, 40403.
    pub error_code: u32,
    /// What went wrong, for people, with the values concerned.
    pub message: String,
    /// Kafka's name of the error, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kafka_error: Option<KafkaError>,
    /// Whether the same request may succeed later with nothing changed by the caller.
    #[serde(default)]
    pub retriable: bool,
    /// Facts that let a program repair its request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<serde_json::Value>,
}

/// A refusal: its HTTP status and its body.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{} (HTTP {status}, error_code {})", body.message, body.error_code)]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// What the caller reads.
    pub body: Box<ErrorBody>,
}

impl ApiError {
    /// A refusal with a five-digit or three-digit code; the status is its first three digits.
    ///
    /// A code whose first three digits are no HTTP status becomes status 500.
    #[must_use]
    pub fn new(error_code: u32, message: impl Into<String>) -> Self {
        let digits = if error_code < 600 {
            error_code
        } else {
            error_code / 100
        };
        let status = u16::try_from(digits)
            .ok()
            .and_then(|digits| StatusCode::from_u16(digits).ok())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = ErrorBody {
            error_code,
            message: message.into(),
            kafka_error: None,
            retriable: false,
            details: None,
        };
        Self {
            status,
            body: Box::new(body),
        }
    }

    /// The refusal that stands for a Kafka error.
    #[must_use]
    pub fn kafka(error: KafkaError, message: impl Into<String>) -> Self {
        let mut refusal = Self::new(error_code_of(error), message);
        refusal.body.kafka_error = Some(error);
        refusal.body.retriable = error.is_retriable();
        refusal
    }

    /// The same with facts for a program.
    #[must_use]
    pub fn with_details(mut self, details: serde_json::Value) -> Self {
        self.body.details = Some(details);
        self
    }

    /// The same, marked as worth another try.
    #[must_use]
    pub fn retriable(mut self) -> Self {
        self.body.retriable = true;
        self
    }

    /// The same under another code (and its status); used where REST has a code of its own.
    #[must_use]
    pub fn with_code(mut self, error_code: u32) -> Self {
        let other = Self::new(error_code, "");
        self.status = other.status;
        self.body.error_code = error_code;
        self
    }
}

/// The REST code of a Kafka error: Confluent's table (Confluent's table of error codes) where it has a row.
///
/// Exhaustive on purpose: a new error must be given its code here.
const fn error_code_of(error: KafkaError) -> u32 {
    use KafkaError as E;
    match error {
        E::UnknownTopicOrPartition | E::UnknownTopicId => 40403,
        E::ClusterAuthorizationFailed => 40301,
        E::MessageTooLarge => 413,
        E::OffsetOutOfRange
        | E::InvalidTopicException
        | E::InvalidRequiredAcks
        | E::InvalidTimestamp
        | E::TopicAlreadyExists
        | E::InvalidPartitions
        | E::InvalidReplicationFactor
        | E::InvalidReplicaAssignment
        | E::InvalidConfig
        | E::InvalidRequest
        | E::PolicyViolation
        | E::InvalidRecord
        | E::InvalidRegistration
        | E::CorruptMessage => 40002,
        E::InconsistentClusterId
        | E::DuplicateBrokerRegistration
        | E::StaleBrokerEpoch
        | E::BrokerIdNotRegistered
        | E::InvalidUpdateVersion
        | E::IneligibleReplica
        | E::NewLeaderElected
        | E::FencedLeaderEpoch
        | E::UnknownLeaderEpoch
        | E::OutOfOrderSequenceNumber
        | E::InvalidProducerEpoch
        | E::InvalidTxnState
        | E::TransactionCoordinatorFenced => 409,
        E::ThrottlingQuotaExceeded => 429,
        E::LeaderNotAvailable
        | E::NotLeaderOrFollower
        | E::BrokerNotAvailable
        | E::NotController
        | E::NotEnoughReplicas
        | E::OffsetNotAvailable
        | E::NetworkException
        | E::KafkaStorageError => 50302,
        E::RequestTimedOut => 50003,
        E::NotEnoughReplicasAfterAppend => 50003,
        E::UnknownServerError => 50002,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kafka_error_has_a_status_of_its_kind() {
        for error in KafkaError::ALL {
            let refusal = ApiError::kafka(*error, "x");
            assert!(refusal.status.is_client_error() || refusal.status.is_server_error());
            if refusal.status == StatusCode::SERVICE_UNAVAILABLE {
                assert!(
                    refusal.body.retriable,
                    "{error} answers 503 and is not retriable"
                );
            }
        }
    }

    #[test]
    fn five_digits_give_their_status() {
        assert_eq!(ApiError::new(40403, "x").status, StatusCode::NOT_FOUND);
        assert_eq!(
            ApiError::new(413, "x").status,
            StatusCode::PAYLOAD_TOO_LARGE
        );
        assert_eq!(
            ApiError::new(999_999, "x").status,
            StatusCode::INTERNAL_SERVER_ERROR
        );
    }
}
