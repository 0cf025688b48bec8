//! The answer to a v2 produce request: one entry a record, written by hand into one buffer.

use trimaran_api::ApiError;
use trimaran_api::rest::{ProduceOffset, WriteOutcome};

use super::number_text;
use crate::produce::RecordResult;
use crate::routing::outcome_of;

/// The entries as JSON; or the refusal of the whole request, when surely nothing of it was written.
///
/// A request that failed as a whole says so in its status. Once something was written, or may have
/// been, the entries tell which (as Confluent's do).
pub(super) fn answer(results: Vec<Option<RecordResult>>) -> Result<Vec<u8>, ApiError> {
    if let Some(refusal) = refusal_of_all(&results) {
        return Err(refusal);
    }
    let mut out = Vec::with_capacity(64 + results.len().saturating_mul(72));
    out.extend_from_slice(b"{\"offsets\":[");
    for (place, result) in results.into_iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        push_entry(&mut out, result);
    }
    out.extend_from_slice(b"],\"key_schema_id\":null,\"value_schema_id\":null}");
    Ok(out)
}

/// The first refusal, when every record has one and each says that nothing was written.
fn refusal_of_all(results: &[Option<RecordResult>]) -> Option<ApiError> {
    let mut first = None;
    for result in results {
        match result {
            Some(RecordResult {
                result: Err(error), ..
            }) if outcome_of(error) == WriteOutcome::NothingWritten => {
                first = first.or(Some(error));
            }
            _ => return None,
        }
    }
    first.cloned()
}

fn push_entry(out: &mut Vec<u8>, result: Option<RecordResult>) {
    match result {
        Some(RecordResult {
            partition,
            result: Ok(offset),
            ..
        }) => {
            out.extend_from_slice(b"{\"partition\":");
            number_text::push(out, i64::from(partition.0));
            out.extend_from_slice(b",\"offset\":");
            match offset {
                Some(offset) => number_text::push(out, offset.0),
                None => out.extend_from_slice(b"null"),
            }
            out.extend_from_slice(b",\"error_code\":null,\"error\":null}");
        }
        failed => {
            let entry = failed_entry(failed);
            // A struct of numbers and text always has a JSON form.
            if let Err(error) = serde_json::to_writer(&mut *out, &entry) {
                tracing::error!(%error, "an entry cannot be written");
                out.extend_from_slice(b"null");
            }
        }
    }
}

fn failed_entry(result: Option<RecordResult>) -> ProduceOffset {
    let partition = result.as_ref().map(|result| result.partition);
    let error = match result.map(|result| result.result) {
        Some(Err(error)) => error,
        _ => ApiError::new(50002, "the record was not sent"),
    };
    let error_code = if error.body.retriable { 50003 } else { 50002 };
    ProduceOffset {
        partition,
        offset: None,
        error_code: Some(error_code),
        kafka_error: error.body.kafka_error,
        outcome: Some(outcome_of(&error)),
        error: Some(error.body.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimaran_api::rest::ProduceResponseV2;
    use trimaran_types::{KafkaError, Offset, PartitionIndex};

    use crate::routing::unknown_outcome;

    fn result(partition: u32, result: Result<i64, ApiError>) -> Option<RecordResult> {
        Some(RecordResult {
            partition: PartitionIndex(partition),
            result: result.map(|offset| Some(Offset(offset))),
            append_time: None,
        })
    }

    fn refused() -> ApiError {
        ApiError::kafka(KafkaError::NotEnoughReplicas, "too few")
    }

    fn unknown() -> ApiError {
        unknown_outcome(KafkaError::RequestTimedOut, "no answer in time")
    }

    #[test]
    fn entries_stand_in_the_order_of_the_records_and_tell_the_outcome() {
        let results = vec![
            result(1, Ok(7)),
            result(0, Err(refused())),
            result(2, Err(unknown())),
        ];
        let bytes = answer(results).unwrap();
        let read: ProduceResponseV2 = serde_json::from_slice(&bytes).unwrap();
        let short: Vec<_> = read
            .offsets
            .iter()
            .map(|entry| {
                (
                    entry.offset.map(|offset| offset.0),
                    entry.error_code,
                    entry.outcome,
                )
            })
            .collect();
        assert_eq!(
            short,
            [
                (Some(7), None, None),
                (None, Some(50003), Some(WriteOutcome::NothingWritten)),
                (None, Some(50003), Some(WriteOutcome::Unknown)),
            ]
        );
        let first = br#"{"offsets":[{"partition":1,"offset":7,"error_code":null,"error":null},"#;
        assert!(bytes.starts_with(first));
    }

    #[test]
    fn a_request_of_which_surely_nothing_was_written_is_refused_as_a_whole() {
        let refusal = answer(vec![result(0, Err(refused())), result(1, Err(refused()))]);
        let refusal = refusal.unwrap_err();
        assert_eq!(refusal.body.error_code, 50302);
        assert!(refusal.body.retriable);
        assert!(answer(vec![result(0, Err(refused())), result(1, Err(unknown()))]).is_ok());
        assert!(answer(vec![result(0, Err(unknown()))]).is_ok());
    }
}
