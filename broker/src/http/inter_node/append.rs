//! A broker hands a client's batches to this one, which should lead the partition.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use trimaran_api::replica::AppendQuery;
use trimaran_api::rest::WriteOutcome;
use trimaran_api::{ApiError, headers};
use trimaran_commit_log::{ProducedError, admit_unopened};
use trimaran_types::KafkaError;
use trimaran_types::limits::BATCH_BYTES_MAX;
use trimaran_types::record_batch::{RecordBatch, split};

use super::partition_path::{bad_query, partition};
use crate::http::admin::msgpack_bytes;
use crate::http::app::{App, ForBrokers};
use crate::http::path_names::PathParts;
use crate::http::request_body::declared_bytes;
use crate::http::{Refusal, Service};
use crate::routing::{outcome_of, with_outcome};

/// Most bytes of batches in one call: what a client's body can become, cut into small batches.
const BODY_BYTES_MAX: usize = 2 * BATCH_BYTES_MAX;
/// Longest time that a caller may ask for.
pub(super) const TIMEOUT_MAX: Duration = Duration::from_secs(600);
/// How long the batches may take to arrive.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Appends here, or refuses.
pub(super) async fn append(
    State(app): State<Arc<App>>,
    ForBrokers(service): ForBrokers,
    path: PathParts,
    query: Result<Query<AppendQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let Query(query) = query.map_err(|error| bad_query(&error))?;
    let mut share = app.body_budget.share();
    let grow = |more| share.grow(more);
    let reading = tokio::time::timeout(READ_TIMEOUT, read(&headers, body, grow));
    let bytes = reading
        .await
        .map_err(|_| nothing_written(ApiError::new(408, "the batches did not arrive in time")))?
        .map_err(nothing_written)?;
    let batches = batches(bytes).map_err(nothing_written)?;
    let appended = append_here(&service, &path, &query, batches).await;
    let appended = appended.map_err(|refusal| {
        let outcome = outcome_of(&refusal);
        with_outcome(refusal, outcome)
    })?;
    let kind = [(axum::http::header::CONTENT_TYPE, headers::MSGPACK)];
    Ok((kind, msgpack_bytes(&appended)?).into_response())
}

async fn append_here(
    service: &Service,
    path: &PathParts,
    query: &AppendQuery,
    batches: Vec<RecordBatch>,
) -> Result<trimaran_api::replica::AppendResponse, ApiError> {
    let timeout = Duration::from_millis(query.timeout_ms).min(TIMEOUT_MAX);
    let local = service.router().local();
    local
        .append(partition(path)?, batches, query.acks, timeout)
        .await
}

pub(super) fn nothing_written(refusal: ApiError) -> ApiError {
    with_outcome(refusal, WriteOutcome::NothingWritten)
}

/// The whole body, at most [`BODY_BYTES_MAX`], every byte of it accounted for.
async fn read(
    headers: &HeaderMap,
    mut body: Body,
    mut account: impl FnMut(usize) -> bool,
) -> Result<Bytes, ApiError> {
    let too_large = || {
        let message = format!("more than {BODY_BYTES_MAX} bytes of batches");
        ApiError::kafka(KafkaError::MessageTooLarge, message)
    };
    if declared_bytes(headers).is_some_and(|bytes| bytes > BODY_BYTES_MAX as u64) {
        return Err(too_large());
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            ApiError::kafka(KafkaError::NetworkException, format!("broke off: {error}"))
        })?;
        let Ok(piece) = frame.into_data() else {
            continue;
        };
        if whole.len().saturating_add(piece.len()) > BODY_BYTES_MAX {
            return Err(too_large());
        }
        if !account(piece.len()) {
            let message = "the memory for request bodies is in use; try again in a moment";
            return Err(ApiError::new(429, message).retriable());
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

/// The batches, checked as a producer's must be: a client's broker has built them, but whoever
/// reaches this listener could have.
pub(super) fn batches(bytes: Bytes) -> Result<Vec<RecordBatch>, ApiError> {
    split(bytes)
        .map(|batch| admit_unopened(batch?))
        .collect::<Result<_, ProducedError>>()
        .map_err(|error| ApiError::kafka(error.kafka_error(), error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimaran_types::Timestamp;
    use trimaran_types::record_batch::{Attributes, BatchBuilder, BatchHeader, TimestampType};

    #[test]
    fn what_no_client_may_write_is_refused_whoever_sends_it() {
        let mut builder = BatchBuilder::new(TimestampType::CreateTime);
        builder.push(Timestamp(5), None, Some(b"1"), &[]).unwrap();
        let good = builder.build().unwrap();
        assert_eq!(
            batches(good.bytes().clone()).unwrap(),
            std::slice::from_ref(&good)
        );
        let marked = |bits: i16| {
            let attributes = Attributes::from_bits(bits).unwrap();
            let header = BatchHeader {
                attributes,
                ..*good.header()
            };
            RecordBatch::assemble(&header, &good.record_bytes()).unwrap()
        };
        let late = good.clone().with_max_timestamp(Timestamp(-5));
        for (bad, expected) in [
            (marked(1 << 4), KafkaError::InvalidRecord),
            (marked(1 << 5), KafkaError::InvalidRecord),
            (late, KafkaError::InvalidTimestamp),
        ] {
            let refusal = batches(bad.into_bytes()).unwrap_err();
            assert_eq!(refusal.body.kafka_error, Some(expected));
            assert!(!refusal.body.retriable, "{refusal}");
        }
    }
}
