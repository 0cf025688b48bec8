//! One call: send, bound the answer, read it or the refusal.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::StatusCode;
use serde::de::DeserializeOwned;

use super::CallError;
use crate::{ApiError, ErrorBody, body, headers};

/// Largest answer that a call accepts, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Sends `request` and reads its answer, JSON or MessagePack by its content type.
///
/// # Errors
/// As [`CallError`] tells.
pub async fn call<T: DeserializeOwned>(
    request: reqwest::RequestBuilder,
    address: &str,
) -> Result<T, CallError> {
    let response = call_bytes(request, address).await?;
    let is_msgpack = response
        .headers()
        .get(http::header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(headers::MSGPACK.as_bytes()));
    let bytes = read_body(response, address).await?;
    let unreadable = |cause: String| CallError::Unreadable {
        address: address.to_owned(),
        cause,
    };
    if is_msgpack {
        body::from_msgpack(&bytes).map_err(|error| unreadable(format!("{error:?}")))
    } else {
        // An empty answer (204) reads as null, so that `()` can be asked for.
        let json: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        serde_json::from_slice(json).map_err(|error| unreadable(error.to_string()))
    }
}

/// Sends `request` and hands back a successful response whose body is not read yet, or one that
/// agrees to the upgrade asked for.
///
/// # Errors
/// As [`CallError`] tells; a status that is no success is [`CallError::Refused`].
pub async fn call_bytes(
    request: reqwest::RequestBuilder,
    address: &str,
) -> Result<reqwest::Response, CallError> {
    let response = request
        .send()
        .await
        .map_err(|error| CallError::of(&error, address))?;
    if response.status().is_success() || response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Ok(response);
    }
    let status = response.status();
    let bytes = read_body(response, address).await?;
    let refusal = match serde_json::from_slice::<ErrorBody>(&bytes) {
        Ok(body) => ApiError {
            status,
            body: Box::new(body),
        },
        Err(_) => {
            let text: String = String::from_utf8_lossy(&bytes).chars().take(200).collect();
            ApiError::new(u32::from(status.as_u16()), format!("{status}: {text}"))
        }
    };
    Err(CallError::Refused(refusal))
}

/// Reads a body, at most 64 MiB of it.
///
/// # Errors
/// When the connection breaks, time runs out, or the body is larger.
pub async fn read_body(response: reqwest::Response, address: &str) -> Result<Bytes, CallError> {
    let mut collected = BytesMut::new();
    let mut stream = response.bytes_stream();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| CallError::of(&error, address))?;
        if collected.len() + piece.len() > ANSWER_BYTES_MAX {
            let cause = format!("answer larger than {ANSWER_BYTES_MAX} bytes");
            return Err(CallError::Unreadable {
                address: address.to_owned(),
                cause,
            });
        }
        collected.extend_from_slice(&piece);
    }
    Ok(collected.freeze())
}
