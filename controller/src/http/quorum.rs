//! `/v1/quorum`: the voters, as this controller sees them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::answer::answer;
use super::{App, Refusal};
use crate::quorum;

/// This controller's view; only the leader knows the others' positions.
pub(super) async fn status(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    answer(&headers, &quorum::status(app.node()?.as_ref()))
}
