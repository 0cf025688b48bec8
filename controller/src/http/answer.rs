//! How answers and refusals leave: JSON unless the caller accepts MessagePack.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use trimaran_api::{ApiError, body, headers};
use trimaran_types::KafkaError;

/// Largest body of a request that is not raft: a registration, a topic, a list of ISR changes.
pub(super) const REQUEST_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A refusal on its way out.
#[derive(Debug)]
pub(crate) struct Refusal(pub ApiError);

impl<E: Into<ApiError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let ApiError { status, body } = self.0;
        match serde_json::to_vec(&body) {
            Ok(bytes) => response(status, "application/json", bytes),
            Err(error) => {
                tracing::error!(%error, "a refusal cannot be written");
                status.into_response()
            }
        }
    }
}

fn response(status: StatusCode, kind: &'static str, bytes: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A successful answer in MessagePack.
pub(crate) fn msgpack_answer<T: Serialize>(value: &T) -> Result<Response, Refusal> {
    let bytes = body::to_msgpack(value).map_err(|error| unwritable(&error))?;
    Ok(response(StatusCode::OK, headers::MSGPACK, bytes))
}

/// A successful answer in the form that the caller's `headers` accept.
pub(super) fn answer<T: Serialize>(map: &HeaderMap, value: &T) -> Result<Response, Refusal> {
    let accepts_msgpack = map
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains(headers::MSGPACK));
    if accepts_msgpack {
        return msgpack_answer(value);
    }
    let bytes = serde_json::to_vec(value).map_err(|error| unwritable(&error))?;
    Ok(response(StatusCode::OK, "application/json", bytes))
}

fn unwritable(error: &dyn std::error::Error) -> Refusal {
    tracing::error!(%error, "an answer cannot be written");
    ApiError::kafka(KafkaError::UnknownServerError, error.to_string()).into()
}

/// The whole body, within the bound.
pub(super) async fn read_body(body: Body) -> Result<Bytes, Refusal> {
    axum::body::to_bytes(body, REQUEST_BYTES_MAX)
        .await
        .map_err(|error| {
            let message =
                format!("cannot read the body (at most {REQUEST_BYTES_MAX} bytes): {error}");
            ApiError::new(413, message).into()
        })
}

/// The message in a body, by its content type: JSON unless it says MessagePack.
pub(super) fn message<T: DeserializeOwned>(map: &HeaderMap, bytes: &[u8]) -> Result<T, Refusal> {
    let is_msgpack = map
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(headers::MSGPACK.as_bytes()));
    let invalid = |cause: String| {
        Refusal::from(
            ApiError::kafka(
                KafkaError::InvalidRequest,
                format!("malformed body: {cause}"),
            )
            .with_code(400),
        )
    };
    if is_msgpack {
        body::from_msgpack(bytes).map_err(|error| invalid(format!("{error:?}")))
    } else {
        serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))
    }
}
