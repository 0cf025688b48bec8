//! Refusals of the data plane: what went wrong, and whether anything was written.
//!
//! Whoever forwards an append may try again elsewhere only when surely nothing was written; the
//! mark stands in the error's details, so that it survives the way between brokers.

use serde_json::json;
use trimaran_api::ApiError;
use trimaran_api::rest::WriteOutcome;
use trimaran_replication::leader::Outcome;
use trimaran_types::{KafkaError, Offset};

/// A refused append.
pub(super) fn append_refused(partition: &str, error: KafkaError, outcome: Outcome) -> ApiError {
    let cause = match error {
        KafkaError::NotEnoughReplicas => "fewer replicas are in sync than min.insync.replicas",
        KafkaError::NotEnoughReplicasAfterAppend => {
            "too few replicas were in sync to acknowledge the records in time"
        }
        KafkaError::NotLeaderOrFollower => "this broker does not lead the partition",
        KafkaError::RequestTimedOut => "the records were not acknowledged in time",
        KafkaError::KafkaStorageError => "the log of this broker is out of service",
        KafkaError::MessageTooLarge => "a record batch is larger than max.message.bytes",
        KafkaError::CorruptMessage => "a record batch is damaged",
        _ => "the append was refused",
    };
    match outcome {
        Outcome::NothingWritten => {
            let message = format!("{partition}: {cause}; nothing was written");
            ApiError::kafka(error, message)
                .with_details(json!({ "outcome": WriteOutcome::NothingWritten }))
        }
        // Whatever the cause, the caller must know that a second try may write a second copy.
        Outcome::Unknown => {
            let message = format!("{partition}: {cause}; the records may have been written");
            ApiError::kafka(error, message)
                .with_code(50003)
                .with_details(json!({ "outcome": WriteOutcome::Unknown }))
        }
    }
}

/// The disk takes no more now; the log is as it was. Told at once, with a status of HTTP's own: no
/// other broker can do better, and this one only when somebody has made room.
pub(super) fn no_room(partition: &str) -> ApiError {
    let message = format!(
        "{partition}: the leader's disk has no room for the records, or the process no descriptor \
         for their file; nothing was written"
    );
    ApiError::new(507, message)
        .retriable()
        .with_details(json!({ "outcome": WriteOutcome::NothingWritten }))
}

/// More waits than the bounds allow.
pub(super) fn overloaded(partition: &str, used_bytes: usize) -> ApiError {
    let message = format!(
        "{partition}: {used_bytes} bytes of appends wait for their acknowledgement, which is the \
         bound; nothing was written"
    );
    ApiError::new(429, message)
        .retriable()
        .with_details(json!({ "outcome": WriteOutcome::NothingWritten }))
}

/// The records would leave a follower too far behind, and it did not come closer in time.
pub(super) fn held_back(partition: &str) -> ApiError {
    let message = format!(
        "{partition}: an in-sync replica is replica.lag.bytes.max behind the leader and did not come \
         closer in time; nothing was written"
    );
    ApiError::new(429, message)
        .retriable()
        .with_details(json!({ "outcome": WriteOutcome::NothingWritten }))
}

/// The replica is not one that serves clients.
pub(crate) fn not_serving(partition: &str, error: KafkaError) -> ApiError {
    append_refused(partition, error, Outcome::NothingWritten)
}

/// An offset that the log does not have.
pub(super) fn offset_out_of_range(
    partition: &str,
    offset: Offset,
    log_start: Offset,
    high_watermark: Offset,
) -> ApiError {
    let message = format!(
        "{partition} has no offset {offset}: it holds {log_start} up to, not including, \
         {high_watermark}"
    );
    ApiError::kafka(KafkaError::OffsetOutOfRange, message)
        .with_details(json!({ "log_start": log_start, "high_watermark": high_watermark }))
}

/// This broker hosts no replica of the partition.
pub(crate) fn no_such_partition(partition: impl std::fmt::Display) -> ApiError {
    let message = format!("this broker hosts no replica of {partition}; nothing was written");
    ApiError::kafka(KafkaError::NotLeaderOrFollower, message)
        .with_details(json!({ "outcome": WriteOutcome::NothingWritten }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_tells_what_was_written() {
        for (outcome, text, code) in [
            (Outcome::NothingWritten, "nothing-written", 50302),
            (Outcome::Unknown, "unknown", 50003),
        ] {
            let refusal = append_refused("t-0", KafkaError::NotLeaderOrFollower, outcome);
            assert_eq!(refusal.body.details, Some(json!({ "outcome": text })));
            assert_eq!(refusal.body.error_code, code);
        }
    }
}
