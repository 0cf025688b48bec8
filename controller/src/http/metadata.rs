//! `/v1/metadata/...`: the feed, the snapshot and the tree. Any controller answers from what it
//! has applied itself.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use futures_util::{StreamExt as _, stream};
use trimaran_api::ApiError;
use trimaran_api::controller::{
    MetadataLogQuery, MetadataSnapshot, SNAPSHOT_PART_BYTES, SNAPSHOT_STREAM, SnapshotFrames,
};
use trimaran_metadata::{MetadataImage, Snapshot};
use trimaran_types::{ClusterId, KafkaError};

use super::answer::answer;
use super::{App, Refusal};
use crate::feed;

/// A page of the committed log, after a wait when there is none yet.
pub(super) async fn log(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    query: Result<Query<MetadataLogQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Refusal> {
    let node = app.node()?;
    let Query(query) = query.map_err(|error| {
        ApiError::kafka(KafkaError::InvalidRequest, error.body_text()).with_code(400)
    })?;
    answer(&headers, &feed::page(&node, &query).await?)
}

/// The applied image as records, in one piece or, where the caller accepts it, as a stream.
pub(super) async fn snapshot(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let node = app.node()?;
    let image = node.published().image();
    let cluster_id = node.identity().cluster_id;
    if accepts_stream(&headers) {
        return Ok(frames_of(cluster_id, image));
    }
    // A large image takes a while to write down; not on the threads that serve heartbeats.
    tokio::task::spawn_blocking(move || {
        let snapshot = MetadataSnapshot {
            cluster_id,
            snapshot: Snapshot::of(&image),
        };
        answer(&headers, &snapshot)
    })
    .await
    .map_err(|error| ApiError::new(500, error.to_string()))?
}

fn accepts_stream(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|value| value.as_bytes() == SNAPSHOT_STREAM.as_bytes())
}

/// The image's frames, each made when there is room for it on the connection.
fn frames_of(cluster_id: ClusterId, image: Arc<MetadataImage>) -> Response {
    let begin = move || SnapshotFrames::of(cluster_id, Snapshot::of(&image), SNAPSHOT_PART_BYTES);
    let frames = stream::once(tokio::task::spawn_blocking(begin)).flat_map(|begun| {
        stream::unfold(begun.ok(), |frames| async {
            let mut frames = frames?;
            // Not on the threads that serve heartbeats.
            let next = tokio::task::spawn_blocking(move || (frames.next(), frames));
            match next.await {
                Ok((frame, frames)) => frame.map(|frame| (frame, Some(frames))),
                // The stream ends early, which the reader takes for what it is.
                Err(_) => None,
            }
        })
    });
    let mut response = Response::new(Body::from_stream(frames));
    let kind = HeaderValue::from_static(SNAPSHOT_STREAM);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// The whole image as a tree.
pub(super) async fn tree(state: State<Arc<App>>, headers: HeaderMap) -> Result<Response, Refusal> {
    subtree(state, Path(String::new()), headers).await
}

/// A part of the tree: `topics/flights/partitions/0`.
pub(super) async fn subtree(
    State(app): State<Arc<App>>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let image = app.node()?.published().image();
    tokio::task::spawn_blocking(move || {
        let mut value = serde_json::to_value(image.as_ref())
            .map_err(|error| ApiError::new(500, error.to_string()))?;
        let mut walked = String::new();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let inner = match &mut value {
                serde_json::Value::Object(map) => map.remove(name),
                serde_json::Value::Array(items) => name
                    .parse()
                    .ok()
                    .and_then(|place: usize| items.get(place).cloned()),
                _ => None,
            };
            value = inner.ok_or_else(|| {
                ApiError::new(404, format!("no '{name}' in the metadata at '/{walked}'"))
            })?;
            walked.push_str(name);
            walked.push('/');
        }
        answer(&headers, &value)
    })
    .await
    .map_err(|error| ApiError::new(500, error.to_string()))?
}
