//! `/v1/bootstrap`: the first start of the quorum.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use trimaran_api::controller::BootstrapRequest;

use super::answer::{answer, message, read_body};
use super::{App, Refusal};

/// Who is here, and what it has founded.
pub(super) async fn status(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    answer(&headers, &app.desk().status())
}

/// The lowest voter tells what it founded; the answer comes after it is on the disk.
pub(super) async fn found(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Refusal> {
    let request: BootstrapRequest = message(&headers, &read_body(request).await?)?;
    app.desk().found(request).await?;
    answer(&headers, &app.desk().status())
}
