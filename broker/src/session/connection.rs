//! The session connection: a response that never ends while both sides live.
//!
//! When this process dies, the system closes the connection, and the active controller knows within
//! milliseconds; the session timeout is only for silence. So it is kept open to the active
//! controller, and opened anew when it breaks or another controller takes over.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::watch;
use trimaran_api::{headers, paths};
use trimaran_types::{BrokerEpoch, BrokerId, ClusterId};

use super::SessionState;
use crate::controller_link::ControllerLink;

/// After a connection that broke or was refused. Meanwhile a heartbeat finds the active controller.
const REOPEN_PAUSE: Duration = Duration::from_millis(50);
/// For the head of the answer; the body has no end.
const OPEN_TIMEOUT: Duration = Duration::from_millis(1_000);

/// How often it is asked whether the connection still goes to the active controller.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Keeps the connection open, under whatever epoch is in force. Never ends.
pub(super) async fn keep(
    link: Arc<ControllerLink>,
    broker_id: BrokerId,
    cluster_id: ClusterId,
    mut state: watch::Receiver<SessionState>,
) {
    loop {
        let epoch = state.borrow_and_update().broker_epoch;
        let connection = async {
            one(&link, broker_id, cluster_id, epoch).await;
            tokio::time::sleep(REOPEN_PAUSE).await;
        };
        let other_epoch = async {
            let changed = state.wait_for(|state| state.broker_epoch != epoch);
            changed.await.is_ok()
        };
        tokio::select! {
            _ = other_epoch => {}
            () = connection => {}
        }
    }
}

/// One connection, from its opening to its end.
async fn one(
    link: &ControllerLink,
    broker_id: BrokerId,
    cluster_id: ClusterId,
    epoch: BrokerEpoch,
) {
    let path = paths::fill(paths::BROKER_SESSION, &[&broker_id]);
    let opening = link.open(|http, base| {
        http.get(format!("{base}{path}"))
            .query(&[("broker_epoch", epoch.0)])
            .header(headers::CLUSTER_ID, cluster_id.to_string())
    });
    let (address, response) = match tokio::time::timeout(OPEN_TIMEOUT, opening).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(error)) => {
            tracing::debug!(%error, "no session connection");
            return;
        }
        Err(_) => return,
    };
    tracing::debug!(address, "session connection open");
    let mut body = response.bytes_stream();
    let mut look = tokio::time::interval(LOOK_INTERVAL);
    loop {
        tokio::select! {
            // Whatever the controller sends only shows that it lives.
            piece = body.next() => if !matches!(piece, Some(Ok(_))) {
                tracing::debug!(address, "session connection ended");
                link.failed(&address);
                return;
            },
            _ = look.tick() => if link.address() != address {
                tracing::debug!(address, "another controller is active");
                return;
            },
        }
    }
}
