//! Agreeing to a stream.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONNECTION, UPGRADE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::sync::Semaphore;
use trimaran_api::ApiError;
use trimaran_api::rest::WriteOutcome;

use crate::routing::with_outcome;

/// Whether a request asks for a stream of this protocol.
fn is_asked_for(headers: &HeaderMap, protocol: &str) -> bool {
    headers
        .get(UPGRADE)
        .is_some_and(|asked| asked.as_bytes() == protocol.as_bytes())
}

/// Agrees, and serves the stream in a task of its own, which holds one of the `places`: such a
/// connection does not count as one of its listener's any more. `serve` tells why it ended.
///
/// # Errors
/// The request asks for something else, or no place is free.
pub(crate) fn accept<S, F>(
    mut request: Request,
    protocol: &'static str,
    places: &Arc<Semaphore>,
    serve: S,
) -> Result<Response, ApiError>
where
    S: FnOnce(TokioIo<Upgraded>) -> F + Send + 'static,
    F: Future<Output = String> + Send + 'static,
{
    let refused = |refusal| with_outcome(refusal, WriteOutcome::NothingWritten);
    if !is_asked_for(request.headers(), protocol) {
        let message = format!("ask for an upgrade to {protocol}");
        return Err(refused(ApiError::new(426, message)));
    }
    let Ok(place) = Arc::clone(places).try_acquire_owned() else {
        let message = "too many brokers stream here; try again in a moment";
        return Err(refused(ApiError::new(503, message).retriable()));
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        match upgrade.await {
            Ok(stream) => {
                let cause = serve(TokioIo::new(stream)).await;
                tracing::debug!(protocol, cause, "a stream ended");
            }
            Err(error) => tracing::debug!(protocol, %error, "a stream did not begin"),
        }
        drop(place);
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static(protocol));
    Ok(response)
}
