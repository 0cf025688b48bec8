//! `/v1/cluster`: who this node is.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use trimaran_api::controller::ClusterStatus;

use super::answer::answer;
use super::{App, Refusal};

/// Answers before the first start is complete, too.
pub(super) async fn status(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let status = ClusterStatus {
        cluster_id: app.desk().status().cluster_id,
        node: app.name().to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    answer(&headers, &status)
}
