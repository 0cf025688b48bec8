//! A broker reads here for a client.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use trimaran_api::headers;
use trimaran_api::replica::{HIGH_WATERMARK, LEADER_EPOCH, LOG_START, ReadQuery};
use trimaran_types::limits::{LONG_POLL_MS_MAX, READ_BYTES_MAX};

use super::partition_path::{bad_query, partition};
use crate::http::Refusal;
use crate::http::answer_body::{answer_body, take_room};
use crate::http::app::{App, ForBrokers};
use crate::http::path_names::PathParts;

/// Record batches as they lie in the log, with the log's bounds in headers.
pub(super) async fn read(
    State(app): State<Arc<App>>,
    ForBrokers(service): ForBrokers,
    path: PathParts,
    query: Result<Query<ReadQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(query) = query.map_err(|error| bad_query(&error))?;
    let query = ReadQuery {
        bytes_max: query.bytes_max.min(READ_BYTES_MAX),
        wait_ms: query.wait_ms.min(LONG_POLL_MS_MAX),
        ..query
    };
    let records = service
        .router()
        .local()
        .read(partition(&path)?, query)
        .await?;
    let share = take_room(&app.answer_budget, records.bytes.len())?;
    let mut response = answer_body(records.bytes, share).into_response();
    let told = response.headers_mut();
    told.insert(
        CONTENT_TYPE,
        HeaderValue::from_static(headers::RECORD_BATCHES),
    );
    told.insert(HIGH_WATERMARK, records.high_watermark.0.into());
    told.insert(LOG_START, records.log_start.0.into());
    told.insert(LEADER_EPOCH, records.leader_epoch.0.into());
    Ok(response)
}
