//! A broker asks for the bounds of a partition that this one should lead.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use trimaran_api::headers;

use super::partition_path::partition;
use crate::http::Refusal;
use crate::http::admin::msgpack_bytes;
use crate::http::app::ForBrokers;
use crate::http::path_names::PathParts;

/// The bounds of the log.
pub(super) async fn offsets(
    ForBrokers(service): ForBrokers,
    path: PathParts,
) -> Result<Response, Refusal> {
    let offsets = service.router().local().offsets(partition(&path)?).await?;
    let kind = [(CONTENT_TYPE, headers::MSGPACK)];
    Ok((kind, msgpack_bytes(&offsets)?).into_response())
}
