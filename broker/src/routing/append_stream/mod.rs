//! Small appends on their way to other brokers: one stream for each leader, made when first used.
//!
//! Everything that waits when the stream can be written goes out in one write, and so do the
//! answers on their way back; nothing is held back to make that happen. The fate of an append is
//! known here or nowhere: what was never written to a connection may be sent again elsewhere, what
//! was written is answered by the leader or counts as unknown, and is never sent twice.
//!
//! Bounds: appends that wait for a stream, appends without an answer, bytes that wait to be written.

mod link;
mod pending;

#[cfg(test)]
mod append_stream_test;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Client;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;
use tokio::time::Instant;
use trimaran_api::client::CallError;
use trimaran_api::replica::{AppendResponse, RequiredAcks};
use trimaran_types::{BrokerId, ClusterId, TopicIdPartition};

use self::link::Link;
use super::remote::{Callee, NETWORK_SLACK};

/// What comes back of an append.
type Answer = Result<AppendResponse, CallError>;

/// An append that no connection has seen yet.
#[derive(Debug)]
struct Outgoing {
    partition: TopicIdPartition,
    acks: RequiredAcks,
    /// When the leader is to have answered.
    deadline: Instant,
    batches: Bytes,
    reply: oneshot::Sender<Answer>,
}

/// The streams of this broker, by the leader's id and address. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct AppendStreams {
    http: Client,
    cluster_id: ClusterId,
    links: Arc<Mutex<HashMap<(BrokerId, String), Link>>>,
}

impl AppendStreams {
    /// None yet.
    pub(super) fn new(http: Client, cluster_id: ClusterId) -> Self {
        let links = Arc::default();
        Self {
            http,
            cluster_id,
            links,
        }
    }

    /// Appends at the leader; `batches` fit into a frame.
    ///
    /// # Errors
    /// [`CallError::Unreachable`] says that nothing was sent.
    pub(super) async fn append(
        &self,
        callee: &Callee,
        batches: Bytes,
        acks: RequiredAcks,
        timeout: Duration,
    ) -> Answer {
        let (reply, answer) = oneshot::channel();
        let (begun, address) = (Instant::now(), callee.address.as_str());
        let deadline = begun + timeout;
        let outgoing = Outgoing {
            partition: callee.partition,
            acks,
            deadline,
            batches,
            reply,
        };
        let link = self.hand_over(callee, outgoing).await?;
        match tokio::time::timeout_at(deadline + NETWORK_SLACK, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(CallError::Broken {
                address: address.to_owned(),
                cause: "the stream ended without a word".to_owned(),
            }),
            Err(_) => {
                link.give_up_if_silent_since(begun);
                Err(CallError::TimedOut {
                    address: address.to_owned(),
                })
            }
        }
    }

    /// Queues an append for its stream; waits for room at most until its deadline.
    async fn hand_over(&self, callee: &Callee, outgoing: Outgoing) -> Result<Link, CallError> {
        let not_sent = |cause: &str| CallError::Unreachable {
            address: callee.address.clone(),
            cause: cause.to_owned(),
        };
        let link = self.link_to(callee);
        match link.appends.try_send(outgoing) {
            Ok(()) => Ok(link),
            Err(TrySendError::Closed(_)) => Err(not_sent("its stream has just ended")),
            Err(TrySendError::Full(outgoing)) => {
                let deadline = outgoing.deadline;
                let sending = tokio::time::timeout_at(deadline, link.appends.send(outgoing));
                match sending.await {
                    Ok(Ok(())) => Ok(link),
                    Ok(Err(_)) => Err(not_sent("its stream has just ended")),
                    Err(_) => Err(not_sent("too many appends wait for it")),
                }
            }
        }
    }

    /// The stream to a leader; a new one in the place of one that has ended.
    fn link_to(&self, callee: &Callee) -> Link {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (callee.broker_id, callee.address.clone());
        if let Some(link) = links.get(&key).filter(|link| !link.appends.is_closed()) {
            return link.clone();
        }
        // Leaders that moved or died leave nothing behind.
        links.retain(|_, link| !link.appends.is_closed());
        let link = Link::start(self.http.clone(), self.cluster_id, callee);
        links.insert(key, link.clone());
        link
    }
}
