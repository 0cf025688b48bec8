//! One fetch and its answer, on the stream that the last one left.

use std::time::Duration;

use trimaran_api::client::CallError;
use trimaran_api::replica::{ReplicaFetchRequest, ReplicaFetchResponse};
use trimaran_types::BrokerId;

use super::fetch_stream::FetchStream;
use crate::context::BrokerContext;
use crate::node_stream::MessageError;

/// How much longer than the long poll an answer may take before the leader counts as hanging.
const GRACE: Duration = Duration::from_secs(3);

/// Why a fetch has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeError {
    #[error(transparent)]
    Open(#[from] CallError),
    #[error("cannot fetch on the stream: {0}")]
    Message(#[from] MessageError),
    #[error("no answer within {wait_ms} ms and {} s more", GRACE.as_secs())]
    TimedOut { wait_ms: u64 },
}

/// Asks the leader at `address`. `kept` is the stream of the last exchange with this leader; it is
/// left there for the next one only when nothing is owed on it.
pub(super) async fn exchange(
    context: &BrokerContext,
    leader: BrokerId,
    address: &str,
    kept: &mut Option<FetchStream>,
    request: &ReplicaFetchRequest,
) -> Result<ReplicaFetchResponse, ExchangeError> {
    let wait_ms = request.wait_ms;
    let asking = async {
        // Taken out, so that a fetch that is given up midway ends its stream. One that has ended
        // since the last fetch says nothing about the leader: a new one is tried at once.
        if let Some(mut stream) = kept.take().filter(|stream| stream.leads_to(address))
            && let Ok(response) = stream.ask(request).await
        {
            *kept = Some(stream);
            return Ok(response);
        }
        let mut stream = FetchStream::open(context, leader, address).await?;
        let response = stream.ask(request).await?;
        *kept = Some(stream);
        Ok(response)
    };
    match tokio::time::timeout(Duration::from_millis(wait_ms) + GRACE, asking).await {
        Ok(answer) => answer,
        Err(_) => Err(ExchangeError::TimedOut { wait_ms }),
    }
}
