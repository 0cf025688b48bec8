//! The inter-node listener: what other brokers ask of this one's own partitions.
//!
//! Nothing is forwarded from here: the caller has found the leader, or has to look again.

mod append;
pub(crate) mod append_stream;
pub(crate) mod fetch;
mod identity;
mod offsets;
mod partition_path;
mod read;
mod trim;

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::{get, post};
use trimaran_api::paths;

use super::both_listeners::completed;
use super::{App, route_errors, views};

/// Every route of the inter-node listener.
pub fn inter_node_router(app: Arc<App>) -> Router {
    let for_nodes = Router::new()
        .route(paths::REPLICA_FETCH, get(fetch::open))
        .route(paths::PARTITION_APPEND, post(append::append))
        .route(paths::APPEND_STREAM, get(append_stream::open))
        .route(paths::PARTITION_READ, get(read::read))
        .route(paths::PARTITION_OFFSETS, get(offsets::offsets))
        .route(paths::PARTITION_TRIM, post(trim::trim))
        .route_layer(middleware::from_fn_with_state(
            Arc::clone(&app),
            identity::check,
        ));
    let routes = Router::new()
        .merge(for_nodes)
        .route(paths::CLUSTER, get(views::cluster))
        .fallback(route_errors::path_for_clients);
    completed(routes, app)
}
