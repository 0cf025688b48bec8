//! Bodies of v3's changes: one JSON object, of which every field is known.

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use trimaran_api::ApiError;

use crate::http::app::App;
use crate::http::{json_error, request_body};

/// Reads the message, within the bounds of a request's body.
///
/// # Errors
/// 415: it is not said to be JSON. 422: a field is not known. 400: it is something else.
pub(super) async fn read<T: DeserializeOwned>(
    app: &App,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, ApiError> {
    check_content_type(headers)?;
    let body = request_body::read(&app.body_budget, headers, body).await?;
    parse(&body.bytes)
}

pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let message =
        serde_json::from_slice(bytes).map_err(|error| match json_error::unknown_field(&error) {
            Some(field) => ApiError::new(422, format!("Unrecognized field: {field}")),
            None => json_error::refused(&error),
        })?;
    // A list of the fields' values would be read as well.
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(&b'{') {
        return Err(ApiError::new(400, "the body is JSON, but not an object"));
    }
    Ok(message)
}

/// JSON, or nothing said.
pub(super) fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(sent) = headers.get(CONTENT_TYPE) else {
        return Ok(());
    };
    let text = sent.to_str().unwrap_or("unreadable");
    let essence = text.split(';').next().unwrap_or_default().trim();
    if essence.is_empty() || essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let shown: String = text.chars().take(100).collect();
    Err(ApiError::new(
        415,
        format!("content type '{shown}' is not known here; send application/json"),
    ))
}
