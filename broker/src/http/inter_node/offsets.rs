//! A broker asks for the bounds of a partition that this one should lead, and where a time lies.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use trimaran_api::headers;
use trimaran_api::replica::OffsetsQuery;

use super::partition_path::{bad_query, partition};
use crate::http::Refusal;
use crate::http::admin::msgpack_bytes;
use crate::http::app::ForBrokers;
use crate::http::path_names::PathParts;

/// The bounds of the log, and the record that is asked for by its timestamp.
pub(super) async fn offsets(
    ForBrokers(service): ForBrokers,
    path: PathParts,
    query: Result<Query<OffsetsQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(query) = query.map_err(|error| bad_query(&error))?;
    let local = service.router().local();
    let offsets = local.offsets(partition(&path)?, query.timestamp).await?;
    let kind = [(CONTENT_TYPE, headers::MSGPACK)];
    Ok((kind, msgpack_bytes(&offsets)?).into_response())
}
