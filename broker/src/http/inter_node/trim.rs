//! A broker has this one, which should lead the partition, delete the oldest records.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use trimaran_api::headers;
use trimaran_api::replica::{TrimQuery, TrimResponse};

use super::partition_path::{bad_query, partition};
use crate::http::Refusal;
use crate::http::admin::msgpack_bytes;
use crate::http::app::ForBrokers;
use crate::http::path_names::PathParts;

/// Longest time that a caller may ask for.
const TIMEOUT_MAX: Duration = Duration::from_secs(600);

/// Deletes here, or refuses.
pub(super) async fn trim(
    ForBrokers(service): ForBrokers,
    path: PathParts,
    query: Result<Query<TrimQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(query) = query.map_err(|error| bad_query(&error))?;
    let timeout = Duration::from_millis(query.timeout_ms).min(TIMEOUT_MAX);
    let local = Arc::clone(service.router().local());
    let log_start = local.trim(partition(&path)?, query.before, timeout).await?;
    let kind = [(CONTENT_TYPE, headers::MSGPACK)];
    Ok((kind, msgpack_bytes(&TrimResponse { log_start })?).into_response())
}
