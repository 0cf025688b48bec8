//! [`LeaderCall`]: a call as the active controller sees it.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use trimaran_metadata::MetadataImage;

use super::{Refusal, answer};
use crate::decide::{self, Decision};
use crate::node::Node;
use crate::proposer::{Confirm, ProposeError};

/// One call, its body read whole.
pub(super) struct LeaderCall {
    /// The active controller.
    pub(super) node: Arc<Node>,
    /// The caller's headers.
    pub(super) headers: HeaderMap,
    body: Bytes,
    patience: Duration,
}

impl LeaderCall {
    /// A call to be answered within `patience`.
    pub(super) fn new(
        node: &Arc<Node>,
        headers: &HeaderMap,
        body: &Bytes,
        patience: Duration,
    ) -> Self {
        Self {
            node: Arc::clone(node),
            headers: headers.clone(),
            body: body.clone(),
            patience,
        }
    }

    /// The message in the body.
    ///
    /// # Errors
    /// 400: it is not that message.
    pub(super) fn message<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        answer::message(&self.headers, &self.body)
    }

    /// Decides and commits, as long as the caller waits.
    ///
    /// # Errors
    /// As of a proposal.
    pub(super) async fn propose<R: Send + 'static>(
        &self,
        confirm: Confirm,
        decide: impl FnOnce(&MetadataImage) -> Result<Decision<R>, decide::Refusal> + Send + 'static,
    ) -> Result<R, ProposeError> {
        let proposer = self.node.proposer().within(self.patience);
        proposer.propose(confirm, decide).await
    }

    /// A success, in the form that the caller accepts.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn answer<T: Serialize>(&self, value: &T) -> Result<Response, Refusal> {
        answer::answer(&self.headers, value)
    }
}
