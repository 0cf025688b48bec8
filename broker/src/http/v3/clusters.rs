//! `/v3/clusters` and `/v3/clusters/{cluster}`.

use axum::http::StatusCode;
use axum::response::Response;
use trimaran_api::rest::{ClusterData, ClusterList, ListMetadata};

use super::answer::json;
use super::links::Links;
use crate::http::app::ForClients;
use crate::http::path_names::{PathParts, check_cluster};
use crate::http::{Refusal, Service};

/// The one cluster that this broker belongs to.
pub(in crate::http) async fn clusters(
    ForClients(service): ForClients,
) -> Result<Response, Refusal> {
    let list = ClusterList {
        kind: "KafkaClusterList".to_owned(),
        metadata: ListMetadata {
            this: service.url("/v3/clusters"),
            next: None,
        },
        data: vec![described(&service)],
    };
    Ok(json(StatusCode::OK, &list)?)
}

/// The same, by its id.
pub(in crate::http) async fn cluster(
    ForClients(service): ForClients,
    path: PathParts,
) -> Result<Response, Refusal> {
    check_cluster(&service, path.at(0))?;
    Ok(json(StatusCode::OK, &described(&service))?)
}

fn described(service: &Service) -> ClusterData {
    let links = Links(service);
    ClusterData {
        kind: "KafkaCluster".to_owned(),
        metadata: links.resource("", ""),
        cluster_id: service.cluster_id(),
        acls: links.related("/acls"),
        brokers: links.related("/brokers"),
        broker_configs: links.related("/broker-configs"),
        consumer_groups: links.related("/consumer-groups"),
        topics: links.related("/topics"),
        partition_reassignments: links.related("/topics/-/partitions/-/reassignment"),
    }
}
