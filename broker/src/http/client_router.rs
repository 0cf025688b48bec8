//! The client listener's routes. Nothing that only nodes may do is among them.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use trimaran_api::paths;

use super::both_listeners::completed;
use super::trailing_slash::tolerated;
use super::{App, health, route_errors, v2, v3, views};

/// Every route of the client listener.
pub fn client_router(app: Arc<App>) -> Router {
    let routes = Router::new()
        .merge(v2_routes())
        .nest("/v3", v3_routes())
        .nest("/kafka/v3", v3_routes())
        .merge(view_routes())
        .route("/", get(health::root))
        .fallback(route_errors::unknown_path);
    tolerated(completed(routes, app))
}

fn v2_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/brokers", get(v2::brokers))
        .route("/topics", get(v2::topics))
        .route("/topics/{topic}", get(v2::topic).post(v2::produce_to_topic))
        .route("/topics/{topic}/partitions", get(v2::partitions))
        .route(
            "/topics/{topic}/partitions/{partition}",
            get(v2::partition).post(v2::produce_to_partition),
        )
        .route(
            "/topics/{topic}/partitions/{partition}/offsets",
            get(v2::offsets),
        )
        .route(
            "/topics/{topic}/partitions/{partition}/records",
            get(v2::records),
        )
}

fn v3_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/clusters", get(v3::clusters))
        .route("/clusters/{cluster}", get(v3::cluster))
        .route("/clusters/{cluster}/acls", get(v3::acls))
        .route(
            "/clusters/{cluster}/consumer-groups",
            get(v3::consumer_groups),
        )
        .merge(v3_broker_routes("/clusters/{cluster}"))
        .route(
            "/clusters/{cluster}/topics",
            get(v3::topics).post(v3::create),
        )
        .route(
            "/clusters/{cluster}/topics/{topic}",
            get(v3::topic).delete(v3::delete),
        )
        .route(
            "/clusters/{cluster}/topics/-/partitions/-/reassignment",
            get(v3::reassignments),
        )
        .merge(v3_topic_routes("/clusters/{cluster}/topics/{topic}"))
}

/// Brokers, and what lies below one.
fn v3_broker_routes(cluster: &str) -> Router<Arc<App>> {
    let below = |path: &str| format!("{cluster}{path}");
    Router::new()
        .route(&below("/brokers"), get(v3::brokers))
        .route(&below("/brokers/{broker}"), get(v3::broker))
        .route(&below("/brokers/{broker}/configs"), get(v3::broker_configs))
        .route(
            &below("/brokers/{broker}/configs/{name}"),
            get(v3::broker_config),
        )
        .route(
            &below("/brokers/{broker}/partition-replicas"),
            get(v3::broker_replicas),
        )
        .route(&below("/broker-configs"), get(v3::cluster_configs))
        .route(&below("/broker-configs/{name}"), get(v3::cluster_config))
}

/// What lies below one topic.
fn v3_topic_routes(topic: &str) -> Router<Arc<App>> {
    let below = |path: &str| format!("{topic}{path}");
    Router::new()
        .route(&below("/partitions"), get(v3::partitions))
        .route(
            &below("/partitions/{partition}"),
            get(v3::partition).post(v3::truncate),
        )
        .route(
            &below("/partitions/{partition}/replicas"),
            get(v3::replicas),
        )
        .route(
            &below("/partitions/{partition}/replicas/{broker}"),
            get(v3::replica),
        )
        .route(
            &below("/partitions/-/reassignment"),
            get(v3::topic_reassignments),
        )
        .route(
            &below("/partitions/{partition}/reassignment"),
            get(v3::reassignment),
        )
        .route(&below("/configs"), get(v3::configs))
        .route(
            &below("/configs/{name}"),
            get(v3::config).put(v3::set).delete(v3::reset),
        )
        .route(&below("/configs:alter"), post(v3::alter))
        .route(&below("/records"), post(v3::produce::open))
}

/// The controllers' views, to be read only.
fn view_routes() -> Router<Arc<App>> {
    Router::new()
        .route(paths::CLUSTER, get(views::cluster))
        .route(paths::QUORUM, get(views::view))
        .route(paths::BROKERS, get(views::view))
        .route(paths::TOPICS, get(views::view))
        .route(paths::TOPIC, get(views::topic))
        .route(paths::METADATA_LOG, get(views::view))
        .route(paths::METADATA_TREE, get(views::view))
        .route(paths::METADATA_GET, get(views::subtree))
}
