//! Whether a call belongs to this cluster and was meant for this controller.
//!
//! A mistake in an address, or a port that was handed on, must not move metadata between clusters.
//! People and tools need not name what they mean; whoever names something else is refused on every
//! route. Routes that only registered brokers call demand the cluster's name.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use trimaran_api::{ApiError, headers};
use trimaran_types::KafkaError;

use super::{App, Refusal};

/// Longest part of a header that is told back.
const SHOWN_MAX: usize = 64;

/// Around every route but those of raft, which check more.
pub(super) async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match judge(&app, request.headers(), false) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refused(refusal),
    }
}

/// Around the routes that only a registered broker calls.
pub(super) async fn demand(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match judge(&app, request.headers(), true) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refused(refusal),
    }
}

fn judge(app: &App, map: &HeaderMap, is_demanded: bool) -> Result<(), ApiError> {
    // Without a node the handler says so itself.
    let Ok(node) = app.node() else {
        return Ok(());
    };
    is_meant(
        &node.identity().cluster_id.to_string(),
        app.name(),
        map,
        is_demanded,
    )
}

fn refused(refusal: ApiError) -> Response {
    tracing::warn!(error = %refusal, "a call from another cluster or for another controller");
    Refusal(refusal).into_response()
}

/// Judges a call to the controller `name` of `cluster`.
fn is_meant(cluster: &str, name: &str, map: &HeaderMap, is_demanded: bool) -> Result<(), ApiError> {
    match sent(map, headers::CLUSTER_ID) {
        Some(theirs) if theirs == cluster => {}
        Some(theirs) => {
            let message =
                format!("this controller belongs to cluster {cluster}, the caller to {theirs}");
            return Err(ApiError::kafka(KafkaError::InconsistentClusterId, message).with_code(409));
        }
        None if is_demanded => {
            let message = format!("the caller does not say that it belongs to cluster {cluster}");
            return Err(ApiError::kafka(KafkaError::InconsistentClusterId, message).with_code(409));
        }
        None => {}
    }
    match sent(map, headers::TARGET_NODE) {
        Some(target) if target != name => {
            let message = format!("this is {name}, the call is meant for {target}");
            Err(ApiError::kafka(KafkaError::InvalidRequest, message).with_code(409))
        }
        _ => Ok(()),
    }
}

/// What a header says, as far as it can be shown.
fn sent(map: &HeaderMap, name: &str) -> Option<String> {
    let value = String::from_utf8_lossy(map.get(name)?.as_bytes()).into_owned();
    Some(value.chars().take(SHOWN_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn who_names_another_cluster_or_controller_is_refused() {
        let judge = |pairs: &[(&'static str, &'static str)], is_demanded| {
            is_meant("own", "controller-1", &calls(pairs), is_demanded)
                .map_err(|refusal| refusal.status.as_u16())
        };
        let (cluster, target) = (headers::CLUSTER_ID, headers::TARGET_NODE);
        assert_eq!(judge(&[], false), Ok(()));
        assert_eq!(judge(&[], true), Err(409));
        for is_demanded in [false, true] {
            assert_eq!(judge(&[(cluster, "own")], is_demanded), Ok(()));
            assert_eq!(judge(&[(cluster, "foreign")], is_demanded), Err(409));
            let both = [(cluster, "own"), (target, "controller-1")];
            assert_eq!(judge(&both, is_demanded), Ok(()));
            let both = [(cluster, "own"), (target, "controller-9")];
            assert_eq!(judge(&both, is_demanded), Err(409));
        }
    }
}
