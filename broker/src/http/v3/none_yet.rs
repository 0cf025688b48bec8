//! What a cluster of this software has none of: nobody can make an access rule or a consumer group.

use axum::http::StatusCode;
use axum::response::Response;
use trimaran_api::rest::ResourceList;

use super::answer::json;
use super::links::Links;
use crate::http::app::ForClients;
use crate::http::path_names::{PathParts, check_cluster};
use crate::http::{Refusal, Service};

/// The access rules.
pub(in crate::http) async fn acls(
    ForClients(service): ForClients,
    path: PathParts,
) -> Result<Response, Refusal> {
    empty(&service, &path, "KafkaAclList", "/acls")
}

/// The consumer groups.
pub(in crate::http) async fn consumer_groups(
    ForClients(service): ForClients,
    path: PathParts,
) -> Result<Response, Refusal> {
    empty(
        &service,
        &path,
        "KafkaConsumerGroupList",
        "/consumer-groups",
    )
}

fn empty(
    service: &Service,
    path: &PathParts,
    kind: &str,
    below: &str,
) -> Result<Response, Refusal> {
    check_cluster(service, path.at(0))?;
    let list = ResourceList::<()> {
        kind: kind.to_owned(),
        metadata: Links(service).list(below),
        data: Vec::new(),
    };
    Ok(json(StatusCode::OK, &list)?)
}
