//! A follower fetches from the partitions that this broker leads.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use trimaran_api::replica::ReplicaFetchRequest;
use trimaran_api::{ApiError, body, headers};
use trimaran_types::KafkaError;

use crate::http::Refusal;
use crate::http::admin::msgpack_bytes;
use crate::http::app::ForBrokers;

/// Some 100 bytes a partition: more partitions than one leader will ever have.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Answers when there is something to say, or the follower's wait is over.
pub(super) async fn fetch(
    ForBrokers(service): ForBrokers,
    body: Body,
) -> Result<Response, Refusal> {
    let bytes = axum::body::to_bytes(body, BODY_BYTES_MAX)
        .await
        .map_err(|error| invalid(format!("the fetch cannot be read: {error}")))?;
    let request: ReplicaFetchRequest =
        body::from_msgpack(&bytes).map_err(|error| invalid(format!("{error:?}")))?;
    let fetched = service.router().local().fetch(request).await?;
    let kind = [(CONTENT_TYPE, headers::MSGPACK)];
    Ok((kind, msgpack_bytes(&fetched)?).into_response())
}

fn invalid(cause: String) -> ApiError {
    ApiError::kafka(KafkaError::InvalidRequest, cause)
}
