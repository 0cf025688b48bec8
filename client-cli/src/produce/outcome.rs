//! [`Outcome`]: what became of a record, and which answers allow to send it again.

use trimaran_api::client::CallError;
use trimaran_api::rest::{ProduceOffset, WriteOutcome};
use trimaran_api::{ApiError, ErrorBody};
use trimaran_types::{Offset, PartitionIndex};

/// What became of a record, as far as its sender can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// In the log for good.
    Acknowledged {
        partition: PartitionIndex,
        offset: Offset,
    },
    /// Surely not in the log.
    Refused { reason: String },
    /// Maybe in the log: an answer was lost, or says so.
    Unknown { reason: String },
}

/// What one try says of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is decided.
    Final(Outcome),
    /// Surely without effect, and another try may do better.
    Retry { reason: String },
    /// Surely without effect: it does not exist, or this broker has not heard of it yet.
    Missing { reason: String },
}

/// Reads one entry of a produce answer.
///
/// An entry that failed and does not say that nothing was written has an unknown fate.
pub(super) fn of_entry(entry: &ProduceOffset) -> Verdict {
    match (entry.error_code, entry.partition, entry.offset) {
        (None, Some(partition), Some(offset)) => {
            Verdict::Final(Outcome::Acknowledged { partition, offset })
        }
        (None, ..) => Verdict::Final(Outcome::Unknown {
            reason: "the answer names no partition and offset".to_owned(),
        }),
        (Some(code), ..) => {
            let reason = format!(
                "{} (error_code {code})",
                entry.error.as_deref().unwrap_or("failed")
            );
            let is_retriable = entry
                .kafka_error
                .map_or(code == 50003, trimaran_types::KafkaError::is_retriable);
            match entry.outcome {
                Some(WriteOutcome::NothingWritten) if is_retriable => Verdict::Retry { reason },
                Some(WriteOutcome::NothingWritten) => Verdict::Final(Outcome::Refused { reason }),
                Some(WriteOutcome::Unknown) | None => Verdict::Final(Outcome::Unknown { reason }),
            }
        }
    }
}

/// Reads the failure of a whole request.
pub(super) fn of_failure(error: &CallError) -> Verdict {
    let reason = error.to_string();
    match error {
        CallError::Unreachable { .. } => Verdict::Retry { reason },
        CallError::TimedOut { .. } | CallError::Broken { .. } | CallError::Unreadable { .. } => {
            Verdict::Final(Outcome::Unknown { reason })
        }
        CallError::Refused(refusal) => match declared(&refusal.body) {
            Some(WriteOutcome::Unknown) => Verdict::Final(Outcome::Unknown { reason }),
            Some(WriteOutcome::NothingWritten) => retry_or_refuse(refusal, reason),
            None if is_before_any_write(refusal) => retry_or_refuse(refusal, reason),
            None => Verdict::Final(Outcome::Unknown { reason }),
        },
    }
}

fn retry_or_refuse(refusal: &ApiError, reason: String) -> Verdict {
    if refusal.status.as_u16() == 404 {
        Verdict::Missing { reason }
    } else if refusal.body.retriable {
        Verdict::Retry { reason }
    } else {
        Verdict::Final(Outcome::Refused { reason })
    }
}

/// What the refusal itself says of the records.
fn declared(body: &ErrorBody) -> Option<WriteOutcome> {
    let outcome = body.details.as_ref()?.get("outcome")?;
    serde_json::from_value(outcome.clone()).ok()
}

/// A refusal that says nothing: 4xx are refused as they come in, 503 before any work begins; any
/// other failure of the server may have come after the write.
fn is_before_any_write(refusal: &ApiError) -> bool {
    refusal.status.is_client_error() || refusal.status.as_u16() == 503
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimaran_types::KafkaError;

    fn entry(json: serde_json::Value) -> Verdict {
        of_entry(&serde_json::from_value(json).unwrap())
    }

    fn kind(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Retry { .. } => "retry",
            Verdict::Missing { .. } => "missing",
            Verdict::Final(Outcome::Acknowledged { .. }) => "acknowledged",
            Verdict::Final(Outcome::Refused { .. }) => "refused",
            Verdict::Final(Outcome::Unknown { .. }) => "unknown",
        }
    }

    #[test]
    fn an_entry_is_sent_again_only_when_nothing_was_written() {
        for (json, expected) in [
            (
                r#"{"partition":0,"offset":7,"error_code":null,"error":null}"#,
                "acknowledged",
            ),
            (
                r#"{"partition":0,"offset":null,"error_code":null,"error":null}"#,
                "unknown",
            ),
            (
                r#"{"partition":0,"offset":null,"error_code":50003,"error":"x",
                    "kafka_error":"NOT_ENOUGH_REPLICAS","outcome":"nothing-written"}"#,
                "retry",
            ),
            (
                r#"{"partition":0,"offset":null,"error_code":50002,"error":"x",
                    "kafka_error":"MESSAGE_TOO_LARGE","outcome":"nothing-written"}"#,
                "refused",
            ),
            (
                r#"{"partition":0,"offset":null,"error_code":50003,"error":"x",
                    "kafka_error":"REQUEST_TIMED_OUT","outcome":"unknown"}"#,
                "unknown",
            ),
            (
                r#"{"partition":0,"offset":null,"error_code":50003,"error":"x"}"#,
                "unknown",
            ),
        ] {
            assert_eq!(
                kind(&entry(serde_json::from_str(json).unwrap())),
                expected,
                "{json}"
            );
        }
    }

    #[test]
    fn a_request_is_sent_again_only_when_nothing_was_written() {
        let address = || "h:1".to_owned();
        let cause = || "x".to_owned();
        let refused = |refusal: ApiError| CallError::Refused(refusal);
        let declared = |outcome| {
            let refusal = ApiError::kafka(KafkaError::RequestTimedOut, "x");
            refused(refusal.with_details(serde_json::json!({ "outcome": outcome })))
        };
        for (error, expected) in [
            (
                CallError::Unreachable {
                    address: address(),
                    cause: cause(),
                },
                "retry",
            ),
            (CallError::TimedOut { address: address() }, "unknown"),
            (
                CallError::Broken {
                    address: address(),
                    cause: cause(),
                },
                "unknown",
            ),
            (
                CallError::Unreadable {
                    address: address(),
                    cause: cause(),
                },
                "unknown",
            ),
            (refused(ApiError::new(422, "x")), "refused"),
            (
                refused(ApiError::kafka(KafkaError::UnknownTopicOrPartition, "x")),
                "missing",
            ),
            (
                refused(ApiError::kafka(KafkaError::LeaderNotAvailable, "x")),
                "retry",
            ),
            (
                refused(ApiError::kafka(KafkaError::RequestTimedOut, "x")),
                "unknown",
            ),
            (refused(ApiError::new(500, "x")), "unknown"),
            (declared("nothing-written"), "retry"),
            (declared("unknown"), "unknown"),
        ] {
            assert_eq!(kind(&of_failure(&error)), expected, "{error}");
        }
    }
}
