//! `/healthz` and `/readyz`, on both listeners, from the first moment on.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::App;
use crate::replicas::DataDirStatus;

/// The process lives and answers.
pub(super) async fn healthz() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

/// Whether new requests should come here, or every reason why not.
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Response {
    let reasons = app.readiness.reasons();
    let status = if reasons.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let out = app.readiness.out_of_service();
    let dirs = app.readiness.log_dirs();
    let warnings: Vec<String> = dirs.iter().filter_map(DataDirStatus::warning).collect();
    let body = json!({
        "ready": reasons.is_empty(),
        "reasons": reasons,
        "warnings": warnings,
        "replicas_out_of_service": out.names,
        "replicas_out_of_service_reasons": out.reasons,
        "replicas_lacking_room": out.lacking_room,
        "stray_logs_kept": out.strays_kept,
        "log_dirs": dirs.iter().map(log_dir).collect::<Vec<_>>(),
    });
    (status, Json(body)).into_response()
}

fn log_dir(dir: &DataDirStatus) -> serde_json::Value {
    json!({
        "path": dir.path.display().to_string(),
        "directory_id": dir.id,
        "state": dir.state(),
        "failure": dir.failure,
        "replicas": dir.replicas,
        "replicas_lacking_room": dir.lacking_room,
        "replicas_not_made": dir.not_made,
    })
}

/// What `GET /` says: nothing, as Confluent's does.
pub(super) async fn root() -> Response {
    Json(json!({})).into_response()
}
