//! Whether a call belongs to this cluster and was meant for this broker.
//!
//! A mistake in an address, or a port that was handed on, must not move data between clusters.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use trimaran_api::rest::WriteOutcome;
use trimaran_api::{ApiError, headers};
use trimaran_types::KafkaError;

use crate::http::{App, Refusal, Service};
use crate::routing::with_outcome;

/// Around every route for nodes.
pub(super) async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    // Without a service, the handler says so itself.
    if let Some(service) = app.service()
        && let Err(refusal) = is_meant(service, &request)
    {
        tracing::warn!(error = %refusal, "a call from another cluster or for another broker");
        let refusal = with_outcome(refusal, WriteOutcome::NothingWritten);
        return Refusal(refusal).into_response();
    }
    next.run(request).await
}

fn is_meant(service: &Service, request: &Request) -> Result<(), ApiError> {
    let sent = |name: &str| {
        let value = request.headers().get(name)?;
        value.to_str().ok()
    };
    let refused = |message| Err(ApiError::kafka(KafkaError::InconsistentClusterId, message));
    let own = service.cluster_id().to_string();
    match sent(headers::CLUSTER_ID) {
        Some(cluster) if cluster == own => {}
        Some(cluster) => {
            let cluster: String = cluster.chars().take(64).collect();
            return refused(format!(
                "this broker belongs to cluster {own}, the caller to {cluster}"
            ));
        }
        None => {
            return refused(format!(
                "the caller does not say that it belongs to cluster {own}"
            ));
        }
    }
    let own = format!("broker-{}", service.broker_id());
    match sent(headers::TARGET_NODE) {
        Some(target) if target != own => {
            let target: String = target.chars().take(64).collect();
            refused(format!("this is {own}, the call is meant for {target}"))
        }
        _ => Ok(()),
    }
}
