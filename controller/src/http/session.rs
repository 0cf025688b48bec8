//! `/v1/brokers/{id}/session`: the answer that never ends.

use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use trimaran_api::ApiError;
use trimaran_types::{BrokerEpoch, KafkaError};

use super::brokers::broker_id;
use super::{App, Refusal};
use crate::sessions::SessionGuard;

/// A line feed this often lets both sides notice a peer that vanished without a word.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

#[derive(Debug, Deserialize)]
pub(super) struct SessionQuery {
    broker_epoch: u64,
}

/// Opens a broker's session connection. Only the active controller does; it ends the connection
/// itself when it is active no more, or no majority follows it, so that the broker goes to the next one.
pub(super) async fn open(
    State(app): State<Arc<App>>,
    Path(broker): Path<String>,
    query: Result<Query<SessionQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Refusal> {
    let node = app.node()?;
    let broker = broker_id(&broker)?;
    let Query(query) = query.map_err(|error| {
        ApiError::kafka(KafkaError::InvalidRequest, error.body_text()).with_code(400)
    })?;
    let epoch = BrokerEpoch(query.broker_epoch);
    let active_term = node.proposer().watch_active_term();
    let Some(term) = active_term.borrow().filter(|_| !node.leads_in_vain()) else {
        let message = "this controller is not the active one";
        return Err(ApiError::kafka(KafkaError::NotController, message).into());
    };
    let image = node.published().image();
    let registered = image.brokers.get(broker).map(|broker| broker.broker_epoch);
    match registered {
        Some(registered) if registered == epoch => {}
        Some(registered) => {
            let message = format!("broker {broker} is registered under epoch {registered}");
            return Err(ApiError::kafka(KafkaError::StaleBrokerEpoch, message).into());
        }
        None => {
            let message = format!("broker {broker} is not registered");
            return Err(ApiError::kafka(KafkaError::BrokerIdNotRegistered, message).into());
        }
    }
    let guard = SessionGuard::open(&node, broker, epoch);
    let state = (guard, active_term, node.stopping(), true);
    let node = Arc::downgrade(&node);
    let lines = stream::unfold(state, move |(mut guard, mut active, stop, is_first)| {
        let node = Weak::clone(&node);
        async move {
            if !is_first {
                tokio::select! {
                    () = tokio::time::sleep(SIGN_OF_LIFE) => {
                        if node.upgrade().is_none_or(|node| node.leads_in_vain()) {
                            guard.disarm();
                            return None;
                        }
                    }
                    _ = active.wait_for(|now| *now != Some(term)) => {
                        guard.disarm();
                        return None;
                    }
                    () = stop.cancelled() => {
                        guard.disarm();
                        return None;
                    }
                }
            }
            let line = Ok::<_, std::convert::Infallible>(Bytes::from_static(b"\n"));
            Some((line, (guard, active, stop, false)))
        }
    });
    let kind = [(header::CONTENT_TYPE, "text/plain")];
    Ok((kind, Body::from_stream(lines)).into_response())
}
