//! Registration, repeated until the controllers take it (KIP-631).

use std::time::Duration;

use tokio::time::Instant;
use trimaran_api::client::CallError;
use trimaran_api::controller::RegisterBrokerResponse;
use trimaran_api::{ErrorBody, headers, paths};
use trimaran_types::{ClusterId, KafkaError};

use super::{BrokerIdentity, SessionError};
use crate::controller_link::ControllerLink;

const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_millis(250);
/// A registration is answered once it is committed.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Registers the broker; waits for controllers that do not answer, for as long as it takes.
///
/// `cluster_id` is the cluster of the log directory, absent on an empty one. An earlier run that
/// is still registered may block it for `patience`.
///
/// # Errors
/// The controllers refuse for good.
pub async fn register(
    link: &ControllerLink,
    identity: &BrokerIdentity,
    cluster_id: Option<ClusterId>,
    patience: Duration,
) -> Result<RegisterBrokerResponse, SessionError> {
    let request = identity.request(cluster_id);
    let started = Instant::now();
    let mut attempt = Attempts::default();
    loop {
        let answer = link
            .call(|http, base| {
                let call = http
                    .post(format!("{base}{}", paths::BROKERS))
                    .json(&request)
                    .timeout(CALL_TIMEOUT);
                match cluster_id {
                    Some(id) => call.header(headers::CLUSTER_ID, id.to_string()),
                    None => call,
                }
            })
            .await;
        match answer {
            Ok(response) => return accepted(response, cluster_id),
            Err(error) => {
                verdict(&error, started.elapsed(), patience)?;
                attempt.report(&error);
                tokio::time::sleep(attempt.backoff()).await;
            }
        }
    }
}

fn accepted(
    response: RegisterBrokerResponse,
    ours: Option<ClusterId>,
) -> Result<RegisterBrokerResponse, SessionError> {
    match ours {
        Some(ours) if ours != response.cluster_id => Err(SessionError::ForeignCluster {
            ours,
            theirs: response.cluster_id,
        }),
        _ => Ok(response),
    }
}

/// Whether another try makes sense.
fn verdict(error: &CallError, waited: Duration, patience: Duration) -> Result<(), SessionError> {
    let CallError::Refused(refusal) = error else {
        return Ok(());
    };
    let ErrorBody {
        message,
        kafka_error,
        ..
    } = &*refusal.body;
    let message = message.clone();
    match kafka_error {
        Some(KafkaError::DuplicateBrokerRegistration) if waited >= patience => {
            Err(SessionError::Duplicate { waited, message })
        }
        Some(
            KafkaError::InconsistentClusterId
            | KafkaError::InvalidRegistration
            | KafkaError::InvalidRequest
            | KafkaError::ClusterAuthorizationFailed,
        ) => Err(SessionError::Refused { message }),
        _ => Ok(()),
    }
}

/// Counts the tries: how long to pause, and what has been said already.
#[derive(Debug, Default)]
struct Attempts {
    count: u32,
    reported: String,
}

impl Attempts {
    /// Says what is missing, once for each cause.
    fn report(&mut self, error: &CallError) {
        let cause = error.to_string();
        if self.reported != cause {
            tracing::warn!(%cause, "not registered yet, trying again");
            self.reported = cause;
        }
    }

    /// 50 ms doubled with each try, at most 250 ms: a session that lapses is worth a quick look.
    fn backoff(&mut self) -> Duration {
        let pause = BACKOFF_MIN.saturating_mul(1 << self.count.min(5));
        self.count = self.count.saturating_add(1);
        pause.min(BACKOFF_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimaran_api::ApiError;

    fn refused(error: KafkaError) -> CallError {
        CallError::Refused(ApiError::kafka(error, "no"))
    }

    #[test]
    fn only_refusals_for_good_end_the_tries() {
        let second = Duration::from_secs(1);
        let minute = Duration::from_secs(60);
        let duplicate = refused(KafkaError::DuplicateBrokerRegistration);
        assert!(verdict(&duplicate, second, minute).is_ok());
        assert!(matches!(
            verdict(&duplicate, minute, minute),
            Err(SessionError::Duplicate { .. })
        ));
        assert!(verdict(&refused(KafkaError::NotController), minute, second).is_ok());
        for error in [
            KafkaError::InconsistentClusterId,
            KafkaError::InvalidRegistration,
        ] {
            assert!(matches!(
                verdict(&refused(error), Duration::ZERO, minute),
                Err(SessionError::Refused { .. })
            ));
        }
    }

    #[test]
    fn another_cluster_is_refused_and_an_empty_directory_takes_any() {
        let id = |number| ClusterId::from_uuid(uuid::Uuid::from_u128(number));
        let response = RegisterBrokerResponse {
            cluster_id: id(1),
            broker_epoch: trimaran_types::BrokerEpoch(5),
        };
        assert!(accepted(response.clone(), None).is_ok());
        assert!(accepted(response.clone(), Some(id(1))).is_ok());
        assert!(accepted(response, Some(id(2))).is_err());
    }

    #[test]
    fn pauses_double_up_to_a_bound() {
        let mut attempts = Attempts::default();
        let pauses: Vec<u128> = (0..7).map(|_| attempts.backoff().as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 250, 250, 250, 250]);
    }
}
