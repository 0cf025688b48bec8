//! What a refused append means for its records.
//!
//! The one place that knows which refusals guarantee that nothing was written. A refusal may say so
//! itself, under `outcome` in its details; the leader that refuses knows best. Without a word, the
//! error decides, and doubt counts as "unknown".

use serde_json::{Value, json};
use trimaran_api::ApiError;
use trimaran_api::rest::WriteOutcome;
use trimaran_types::KafkaError;

/// Whether the records of a refused append may have been written.
#[must_use]
pub fn outcome_of(refusal: &ApiError) -> WriteOutcome {
    if let Some(told) = refusal
        .body
        .details
        .as_ref()
        .and_then(|facts| facts.get("outcome"))
        && let Ok(outcome) = serde_json::from_value(told.clone())
    {
        return outcome;
    }
    match refusal.body.kafka_error {
        Some(error) => outcome_of_error(error),
        // A refusal of REST's own is made before anything is done, unless the server failed.
        None if refusal.status.is_client_error() => WriteOutcome::NothingWritten,
        None => WriteOutcome::Unknown,
    }
}

/// Exhaustive on purpose: a new error must be judged here.
const fn outcome_of_error(error: KafkaError) -> WriteOutcome {
    use KafkaError as E;
    match error {
        // A leader may be deposed with the records in its log, so its own word is needed.
        E::NotLeaderOrFollower
        | E::RequestTimedOut
        | E::NetworkException
        | E::NotEnoughReplicasAfterAppend
        | E::KafkaStorageError
        | E::UnknownServerError => WriteOutcome::Unknown,
        E::OffsetOutOfRange
        | E::CorruptMessage
        | E::UnknownTopicOrPartition
        | E::LeaderNotAvailable
        | E::BrokerNotAvailable
        | E::MessageTooLarge
        | E::InvalidTopicException
        | E::NotEnoughReplicas
        | E::InvalidRequiredAcks
        | E::ClusterAuthorizationFailed
        | E::InvalidTimestamp
        | E::TopicAlreadyExists
        | E::InvalidPartitions
        | E::InvalidReplicationFactor
        | E::InvalidReplicaAssignment
        | E::InvalidConfig
        | E::NotController
        | E::InvalidRequest
        | E::PolicyViolation
        | E::FencedLeaderEpoch
        | E::UnknownLeaderEpoch
        | E::StaleBrokerEpoch
        | E::OffsetNotAvailable
        | E::InvalidRecord
        | E::InvalidUpdateVersion
        | E::UnknownTopicId
        | E::DuplicateBrokerRegistration
        | E::BrokerIdNotRegistered
        | E::InconsistentClusterId
        | E::IneligibleReplica
        | E::NewLeaderElected
        | E::InvalidRegistration
        | E::OutOfOrderSequenceNumber
        | E::InvalidProducerEpoch
        | E::InvalidTxnState
        | E::TransactionCoordinatorFenced
        | E::ThrottlingQuotaExceeded => WriteOutcome::NothingWritten,
    }
}

/// The refusal with the outcome in its details, for clients and for other brokers.
#[must_use]
pub fn with_outcome(mut refusal: ApiError, outcome: WriteOutcome) -> ApiError {
    let told = json!(outcome);
    match refusal.body.details.as_mut() {
        Some(Value::Object(facts)) => {
            facts.insert("outcome".to_owned(), told);
        }
        _ => refusal.body.details = Some(json!({ "outcome": told })),
    }
    refusal
}

/// The refusal of an append that may have been done: 50003.
#[must_use]
pub fn unknown_outcome(error: KafkaError, cause: &str) -> ApiError {
    let message = format!("{cause}; the records may have been written");
    let refusal = ApiError::kafka(error, message).with_code(50003).retriable();
    with_outcome(refusal, WriteOutcome::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_s_own_word_counts_before_the_error() {
        let deposed = ApiError::kafka(KafkaError::NotLeaderOrFollower, "deposed");
        assert_eq!(outcome_of(&deposed), WriteOutcome::Unknown);
        let told = with_outcome(deposed, WriteOutcome::NothingWritten);
        assert_eq!(outcome_of(&told), WriteOutcome::NothingWritten);
        let timed_out = unknown_outcome(KafkaError::RequestTimedOut, "no answer in time");
        assert_eq!(outcome_of(&timed_out), WriteOutcome::Unknown);
        assert_eq!(timed_out.body.error_code, 50003);
        assert!(timed_out.body.message.ends_with("may have been written"));
    }

    #[test]
    fn other_facts_are_kept() {
        let refusal = ApiError::new(400, "x").with_details(json!({ "record": 3 }));
        assert_eq!(outcome_of(&refusal), WriteOutcome::NothingWritten);
        let told = with_outcome(refusal, WriteOutcome::Unknown);
        assert_eq!(
            told.body.details,
            Some(json!({ "record": 3, "outcome": "unknown" }))
        );
    }

    #[test]
    fn doubt_is_unknown() {
        assert_eq!(outcome_of(&ApiError::new(500, "x")), WriteOutcome::Unknown);
        assert_eq!(
            outcome_of(&ApiError::kafka(KafkaError::NotEnoughReplicas, "x")),
            WriteOutcome::NothingWritten
        );
    }
}
