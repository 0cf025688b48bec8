//! Opening a stream: what is refused before it begins, and its two halves.

use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use trimaran_api::ApiError;

use super::receipt::Receipts;
use super::stream::{ProduceStream, empty_body};
use super::wave::WaveContext;
use crate::http::Refusal;
use crate::http::app::{App, ForClients};
use crate::http::path_names::{PathParts, check_cluster, topic_name};
use crate::http::request_body::{check_coding, declared_bytes};
use crate::http::topic_lookup::{self, UNKNOWN_TOPIC_ON_PRODUCE};
use crate::http::v2::required_acks;
use crate::http::v3::strict_body::check_content_type;

/// Pieces of receipts that the client has not read.
const UNREAD_MAX: usize = 8;

/// Answers at once, with a body that grows as the records come in.
pub(in crate::http) async fn open(
    State(app): State<Arc<App>>,
    ForClients(service): ForClients,
    path: PathParts,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    check_cluster(&service, path.at(0))?;
    let name = topic_name(path.at(1))?;
    check_content_type(&headers)?;
    check_coding(&headers)?;
    let acks = required_acks(&headers)?;
    if body.is_end_stream() || declared_bytes(&headers) == Some(0) {
        return Err(empty_body().into());
    }
    let found = topic_lookup::topic(&service, &name, UNKNOWN_TOPIC_ON_PRODUCE).await?;
    let permit = Arc::clone(&service.streams)
        .try_acquire_owned()
        .map_err(|_| {
            let message = "too many streams of records are open here; try again in a moment";
            ApiError::new(429, message).retriable()
        })?;
    let context = Arc::new(WaveContext {
        topic_id: found.topic().topic_id,
        topic: name.clone(),
        acks,
        receipts: Receipts {
            cluster_id: service.cluster_id(),
            topic: name,
        },
    });
    let (receipts, unread) = mpsc::channel(UNREAD_MAX);
    let stream = ProduceStream {
        service: Arc::clone(&service),
        metrics: Arc::clone(&app.metrics),
        budget: Arc::clone(&app.body_budget),
        context,
        receipts,
    };
    tokio::spawn(async move {
        stream.run(body).await;
        drop(permit);
    });
    let body = ReceiverStream::new(unread).map(Ok::<_, std::convert::Infallible>);
    let kind = [(CONTENT_TYPE, "application/json")];
    Ok((kind, Body::from_stream(body)).into_response())
}
