//! The table of routes.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use trimaran_api::{ApiError, headers, paths};

use super::{
    App, Refusal, bootstrap, brokers, cluster, health, identity, metadata, metrics, partitions,
    quorum, session, topics,
};
use crate::raft_network;

/// Every route of a controller's listener.
pub(crate) fn router(app: Arc<App>) -> Router {
    let brokers_only = Router::new()
        .route(paths::BROKER_HEARTBEAT, post(brokers::heartbeat))
        .route(paths::BROKER_SESSION, get(session::open))
        .route(paths::ALTER_PARTITIONS, post(partitions::alter))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&app),
            identity::demand,
        ));
    Router::new()
        .route(
            paths::BOOTSTRAP,
            get(bootstrap::status).post(bootstrap::found),
        )
        .route(paths::CLUSTER, get(cluster::status))
        .route(paths::QUORUM, get(quorum::status))
        .route(paths::BROKERS, get(brokers::list).post(brokers::register))
        .route(paths::TOPICS, get(topics::list).post(topics::create))
        .route(paths::TOPIC, get(topics::describe).delete(topics::delete))
        .route(paths::TOPIC_CONFIGS, post(topics::alter_configs))
        .route(paths::METADATA_LOG, get(metadata::log))
        .route(paths::METADATA_SNAPSHOT, get(metadata::snapshot))
        .route(paths::METADATA_TREE, get(metadata::tree))
        .route(paths::METADATA_GET, get(metadata::subtree))
        .route(paths::HEALTHZ, get(health::healthz))
        .route(paths::READYZ, get(health::readyz))
        .route(paths::METRICS, get(metrics::metrics))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&app),
            identity::check,
        ))
        .merge(brokers_only)
        .merge(raft_network::router())
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(middleware::from_fn_with_state(
            Arc::clone(&app),
            name_the_leader,
        ))
        .with_state(app)
}

/// Puts the active controller on every answer, so that a caller can go to it directly.
async fn name_the_leader(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if !response.headers().contains_key(headers::CONTROLLER_LEADER)
        && let Ok(node) = app.node()
        && let Some((id, address)) = node.leader()
        && let Ok(value) = HeaderValue::try_from(format!("{id}@{address}"))
    {
        response
            .headers_mut()
            .insert(HeaderName::from_static(headers::CONTROLLER_LEADER), value);
    }
    response
}

async fn unknown_path(request: Request) -> Refusal {
    ApiError::new(404, format!("no such path: {}", request.uri().path())).into()
}

async fn unknown_method(request: Request) -> Refusal {
    let message = format!(
        "{} is not possible on {}",
        request.method(),
        request.uri().path()
    );
    ApiError::new(405, message).into()
}
