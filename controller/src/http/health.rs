//! `/healthz` and `/readyz`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::App;

/// The process lives and answers.
pub(super) async fn healthz() -> Response {
    Json(json!({"status": "ok"})).into_response()
}

/// Whether this controller can do its part, or every reason why not.
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Response {
    let reasons = match app.node() {
        Ok(node) => node.not_ready(),
        Err(refusal) => vec![refusal.body.message.clone()],
    };
    let status = if reasons.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        Json(json!({"ready": reasons.is_empty(), "reasons": reasons})),
    )
        .into_response()
}
