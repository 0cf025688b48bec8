//! What every listener of a broker has: health, metrics, an answer to everything else, and counts.

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::get;
use trimaran_api::paths;

use super::{App, health, measure, metrics_page, route_errors};

/// A listener's own routes, and what it says of other paths, with what all have. What is added later is not counted.
pub(super) fn completed(own: Router<Arc<App>>, app: Arc<App>) -> Router {
    own.route(paths::HEALTHZ, get(health::healthz))
        .route(paths::READYZ, get(health::readyz))
        .route(paths::METRICS, get(metrics_page::metrics))
        .method_not_allowed_fallback(route_errors::unknown_method)
        .layer(middleware::from_fn_with_state(
            Arc::clone(&app),
            measure::count,
        ))
        .with_state(app)
}
