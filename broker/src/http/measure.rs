//! Counts every answer by route and status.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::App;

/// Around every handler of a router.
pub(super) async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    // Paths without a route share one name: a metric's labels must not grow with what is asked.
    let route = route.as_ref().map_or("unknown", MatchedPath::as_str);
    app.metrics.answered(route, response.status());
    response
}
