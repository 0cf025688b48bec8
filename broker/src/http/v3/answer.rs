//! Successes of v3: plain JSON.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use trimaran_api::ApiError;

use crate::http::admin::json_bytes;

/// `value` as JSON, with `status`.
pub(super) fn json<T: Serialize>(status: StatusCode, value: &T) -> Result<Response, ApiError> {
    let bytes = json_bytes(value)?;
    Ok((status, [(CONTENT_TYPE, "application/json")], bytes).into_response())
}
