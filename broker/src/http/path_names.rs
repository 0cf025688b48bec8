//! The parts of a path, as they must be: topic names, partition numbers, the cluster.

use axum::extract::RawPathParams;
use trimaran_api::ApiError;
use trimaran_types::{KafkaError, PartitionIndex, TopicName};

use super::Service;

/// A topic name from a path.
pub(super) fn topic_name(text: &str) -> Result<TopicName, ApiError> {
    TopicName::new(text).map_err(|invalid| illegal_topic_name(&invalid))
}

/// 422/40002: a name that no topic may have.
fn illegal_topic_name(invalid: &trimaran_types::InvalidTopicName) -> ApiError {
    let refusal = ApiError::kafka(KafkaError::InvalidTopicException, invalid.to_string());
    ApiError {
        status: axum::http::StatusCode::UNPROCESSABLE_ENTITY,
        ..refusal
    }
}

/// A partition number from a path; anything else names nothing that exists.
pub(super) fn partition_index(text: &str) -> Result<PartitionIndex, ApiError> {
    text.parse().map(PartitionIndex).map_err(|_| {
        let shown: String = text.chars().take(64).collect();
        ApiError::new(404, format!("'{shown}' is no partition number"))
    })
}

/// Refuses another cluster than this one.
pub(super) fn check_cluster(service: &Service, text: &str) -> Result<(), ApiError> {
    if text == service.cluster_id().to_string() {
        return Ok(());
    }
    let shown: String = text.chars().take(64).collect();
    Err(ApiError::new(
        404,
        format!("Cluster {shown} cannot be found."),
    ))
}

/// The decoded parts of the path, in order.
///
/// Extracted by hand so that a part that is no UTF-8 gets an answer in our form.
#[derive(Debug)]
pub(super) struct PathParts(Vec<String>);

impl PathParts {
    /// The part at `place`; empty when the route has fewer.
    pub(super) fn at(&self, place: usize) -> &str {
        self.0.get(place).map_or("", String::as_str)
    }
}

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for PathParts {
    type Rejection = super::Refusal;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        state: &S,
    ) -> Result<Self, Self::Rejection> {
        let unreadable = |_| ApiError::new(400, "the path is not valid UTF-8 once decoded");
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(unreadable)?;
        Ok(Self(
            params.iter().map(|(_, value)| value.to_owned()).collect(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_exist_is_told_apart_from_what_does_not() {
        let illegal = topic_name("a b").unwrap_err();
        assert_eq!(
            (illegal.status.as_u16(), illegal.body.error_code),
            (422, 40002)
        );
        assert_eq!(topic_name("a.b").unwrap().as_str(), "a.b");
        assert_eq!(partition_index("7").unwrap(), PartitionIndex(7));
        for text in ["x", "-1", "99999999999999999999", ""] {
            assert_eq!(
                partition_index(text).unwrap_err().body.error_code,
                404,
                "{text}"
            );
        }
    }
}
