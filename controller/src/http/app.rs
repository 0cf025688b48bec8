//! [`App`]: what every route starts from: the running node, or the reason why there is none yet.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;
use trimaran_api::ApiError;

use crate::bootstrap::BootstrapDesk;
use crate::node::Node;

/// How long a call of another controller waits for a node that is starting: turned away, a vote
/// would cost its candidate a whole election timeout.
const START_WAIT: Duration = Duration::from_millis(500);

/// The listener's state. The listener serves before the node runs: bootstrap needs it.
pub(crate) struct App {
    name: String,
    desk: Arc<BootstrapDesk>,
    node: OnceLock<Arc<Node>>,
    started: Notify,
}

impl App {
    /// A listener of `controller-{id}` whose node is not running yet.
    #[must_use]
    pub(crate) fn new(desk: Arc<BootstrapDesk>) -> Self {
        let name = format!("controller-{}", desk.controller_id());
        Self {
            name,
            desk,
            node: OnceLock::new(),
            started: Notify::new(),
        }
    }

    /// `controller-{id}`.
    #[must_use]
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where the first start of the quorum is kept.
    #[must_use]
    pub(crate) fn desk(&self) -> &BootstrapDesk {
        &self.desk
    }

    /// From now on the node serves.
    pub(crate) fn set_node(&self, node: Arc<Node>) {
        if self.node.set(node).is_err() {
            tracing::error!("the node was started twice");
        }
        self.started.notify_waiters();
    }

    /// The running node.
    ///
    /// # Errors
    /// A retriable refusal with the reason, while there is none.
    pub(crate) fn node(&self) -> Result<Arc<Node>, ApiError> {
        self.node.get().cloned().ok_or_else(|| {
            let message = format!("{} is starting: {}", self.name, self.desk.waiting_for());
            ApiError::new(503, message).retriable()
        })
    }

    /// The running node, after a short wait when there is none yet.
    ///
    /// # Errors
    /// As [`Self::node`].
    pub(crate) async fn node_soon(&self) -> Result<Arc<Node>, ApiError> {
        // Registered before the look, so that a start in between is not missed.
        let started = self.started.notified();
        if self.node.get().is_none() {
            // Out of time or not, the node itself tells.
            drop(tokio::time::timeout(START_WAIT, started).await);
        }
        self.node()
    }
}
