//! One fetch over the wire.

use std::time::Duration;

use trimaran_api::client::{CallError, call};
use trimaran_api::replica::{ReplicaFetchRequest, ReplicaFetchResponse};
use trimaran_api::{body, headers, paths};
use trimaran_types::BrokerId;

use crate::context::BrokerContext;

/// How much longer than the long poll an answer may take before the leader counts as hanging.
const GRACE: Duration = Duration::from_secs(3);

/// Why a fetch has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Encode(#[from] body::BodyError),
}

/// Asks the leader at `address`.
pub(super) async fn exchange(
    context: &BrokerContext,
    leader: BrokerId,
    address: &str,
    request: &ReplicaFetchRequest,
) -> Result<ReplicaFetchResponse, ExchangeError> {
    let message = body::to_msgpack(request)?;
    let call_to = context
        .http
        .post(format!("http://{address}{}", paths::REPLICA_FETCH))
        .header(headers::CLUSTER_ID, context.cluster_id.to_string())
        .header(headers::TARGET_NODE, format!("broker-{leader}"))
        .header(http::header::CONTENT_TYPE, headers::MSGPACK)
        .header(http::header::ACCEPT, headers::MSGPACK)
        .timeout(Duration::from_millis(request.wait_ms) + GRACE)
        .body(message);
    Ok(call(call_to, address).await?)
}
