//! Changes that only the controllers decide: sent to them, and answered as they answer.
//!
//! A change that surely was not made is tried again for a while, since a new active controller may
//! be on its way. One that may have been made is answered as unknown.

use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use trimaran_api::client::CallError;
use trimaran_api::rest::WriteOutcome;
use trimaran_api::{ApiError, body, headers};
use trimaran_types::KafkaError;

use super::Service;
use crate::routing::{unknown_outcome, with_outcome};

/// How long a change waits for somebody who can make it.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause after every controller was tried.
const ROUND_PAUSE: Duration = Duration::from_millis(20);

/// Least share of the request's time that a try needs: with less, a controller's word that nothing
/// was done might come too late, and nobody would know.
const TRY_SHARE: u32 = 4;

/// Sends a change to the controllers. `request` gets the client and the base URL.
///
/// # Errors
/// Their refusal; 50302 when none of them can decide; 50003 when nobody knows.
pub(super) async fn change<T: DeserializeOwned>(
    service: &Service,
    request: impl Fn(&Client, &str) -> RequestBuilder,
) -> Result<T, ApiError> {
    let started = Instant::now();
    let patience = PATIENCE.min(service.request_timeout());
    let give_up = started + service.request_timeout();
    let mut tries = 0_usize;
    loop {
        let left = give_up.saturating_duration_since(Instant::now());
        let told = answer_within(left);
        let tried = service.controllers().try_once(|http, base| {
            request(http, base)
                .timeout(left)
                .header(headers::TIMEOUT_MS, told)
        });
        let error = match tried.await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let may_retry = match &error {
            CallError::Unreachable { .. } => true,
            CallError::Refused(refusal) => {
                refusal.body.kafka_error == Some(KafkaError::NotController)
            }
            _ => false,
        };
        let left = give_up.saturating_duration_since(Instant::now());
        let is_too_late = left < service.request_timeout() / TRY_SHARE;
        if !may_retry || is_too_late || started.elapsed() >= patience {
            return Err(as_refusal(error));
        }
        tries += 1;
        if tries.is_multiple_of(service.controllers().addresses().len().max(1)) {
            tokio::time::sleep(ROUND_PAUSE).await;
        }
    }
}

/// What a controller is told to answer within, in milliseconds, when the caller waits for `left`:
/// less, so that its word arrives.
fn answer_within(left: Duration) -> u64 {
    let told = left - left / TRY_SHARE;
    u64::try_from(told.as_millis()).unwrap_or(u64::MAX)
}

/// What a client is told of a call to the controllers that failed.
fn as_refusal(error: CallError) -> ApiError {
    match error {
        CallError::Refused(refusal) => for_clients(refusal),
        CallError::Unreachable { .. } => {
            let message = format!("no controller can be reached: {error}");
            let refusal = ApiError::kafka(KafkaError::BrokerNotAvailable, message);
            with_outcome(refusal, WriteOutcome::NothingWritten)
        }
        CallError::TimedOut { .. } => {
            let cause = format!("the controllers did not answer in time: {error}");
            unknown_change(KafkaError::RequestTimedOut, cause)
        }
        CallError::Broken { .. } | CallError::Unreadable { .. } => {
            unknown_change(KafkaError::NetworkException, error.to_string())
        }
    }
}

fn unknown_change(error: KafkaError, cause: String) -> ApiError {
    let mut refusal = unknown_outcome(error, "");
    refusal.body.message = format!("{cause}; the change may have been made");
    refusal
}

/// A controller's refusal in the words of the client listener.
pub(super) fn for_clients(mut refusal: ApiError) -> ApiError {
    match refusal.body.kafka_error {
        Some(KafkaError::NotController) => {
            // Nobody has decided, so nothing was done.
            refusal = with_outcome(
                refusal.with_code(50302).retriable(),
                WriteOutcome::NothingWritten,
            );
        }
        // Nothing but a creation makes it better.
        Some(KafkaError::UnknownTopicOrPartition) => refusal.body.retriable = false,
        _ => {}
    }
    refusal
}

/// A success that is JSON.
pub(super) fn json_bytes<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(value).map_err(|error| ApiError::new(500, error.to_string()))
}

/// A message between nodes.
pub(super) fn msgpack_bytes<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, ApiError> {
    body::to_msgpack(value).map_err(|error| ApiError::new(500, format!("{error:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_answers_before_its_caller_gives_up() {
        assert_eq!(answer_within(Duration::from_millis(1_000)), 750);
        assert_eq!(answer_within(Duration::ZERO), 0);
        assert_eq!(answer_within(Duration::from_millis(3)), 2);
    }

    #[test]
    fn a_quorum_that_is_gone_and_an_unknown_outcome_have_their_codes() {
        let gone =
            ApiError::kafka(KafkaError::NotController, "no active controller").with_code(503);
        let told = as_refusal(CallError::Refused(gone));
        assert_eq!((told.status.as_u16(), told.body.error_code), (503, 50302));
        assert!(told.body.retriable);
        let outcome = |told: &ApiError| crate::routing::outcome_of(told);
        assert_eq!(outcome(&told), WriteOutcome::NothingWritten);
        let address = || "127.0.0.1:1".to_owned();
        let told = as_refusal(CallError::Unreachable {
            address: address(),
            cause: "refused".to_owned(),
        });
        assert_eq!(told.body.error_code, 50302);
        assert!(told.body.message.contains("controller"));
        let told = as_refusal(CallError::TimedOut { address: address() });
        assert_eq!(told.body.error_code, 50003);
        assert!(told.body.message.contains("may have been made"));
        let unknown = ApiError::kafka(KafkaError::UnknownTopicOrPartition, "no topic");
        assert!(!as_refusal(CallError::Refused(unknown)).body.retriable);
    }
}
