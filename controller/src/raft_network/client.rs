//! [`Peers`] and [`RaftClient`]: this node's calls to the other controllers.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, v2::RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::type_config::alias::{SnapshotOf, VoteOf};
use serde::Serialize;
use serde::de::DeserializeOwned;
use trimaran_api::body::to_msgpack;
use trimaran_api::client::{CallError, call};
use trimaran_types::DirectoryId;

use super::envelope::Identity;
use super::reach::{OutOfReach, Reach};
use super::snapshot_frame::{SnapshotHead, outgoing};
use super::{APPEND, PRE_VOTE, SNAPSHOT, TRANSFER_LEADER, VOTE};
use crate::state_machine::ImageSnapshot;
use crate::type_config::{ControllerNode, TypeConfig};

/// An append with entries waits for the peer's disk; openraft's own limit is one heartbeat, which
/// a busy disk passes easily.
const APPEND_TIMEOUT_MIN: Duration = Duration::from_millis(500);

/// Longest time for one whole snapshot.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(120);

/// A peer that cannot be reached is mentioned this often, not with every heartbeat.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

type C = TypeConfig;

/// How to reach the other controllers; openraft asks it for a client a peer.
#[derive(Clone)]
pub(crate) struct Peers {
    http: reqwest::Client,
    identity: Identity,
    /// Addresses from the configuration; they win over those in the membership, so that a voter
    /// may move.
    addresses: Arc<BTreeMap<u64, String>>,
}

impl Peers {
    /// Calls as `identity`, to the addresses given or, for others, those in the membership.
    #[must_use]
    pub(crate) fn new(
        http: reqwest::Client,
        identity: Identity,
        addresses: BTreeMap<u64, String>,
    ) -> Self {
        Self {
            http,
            identity,
            addresses: Arc::new(addresses),
        }
    }
}

impl RaftNetworkFactory<C> for Peers {
    type Network = RaftClient;

    async fn new_client(&mut self, target: u64, node: &ControllerNode) -> RaftClient {
        let address = self.addresses.get(&target).unwrap_or(&node.address).clone();
        RaftClient {
            http: self.http.clone(),
            identity: self.identity,
            target,
            address,
            directory_id: node.directory_id,
            last_complaint: Mutex::new(None),
        }
    }
}

/// Calls to one controller.
pub(crate) struct RaftClient {
    http: reqwest::Client,
    identity: Identity,
    target: u64,
    address: String,
    directory_id: DirectoryId,
    last_complaint: Mutex<Option<Instant>>,
}

impl RaftClient {
    async fn post<Q: Serialize, A: DeserializeOwned>(
        &self,
        path: &str,
        message: &Q,
        timeout: Duration,
    ) -> Result<A, RPCError<C>> {
        let body = to_msgpack(message)
            .map_err(|error| RPCError::Network(NetworkError::from_string(error)))?;
        let request = self.request(path, timeout).body(body);
        call(request, &self.address)
            .await
            .map_err(|error| self.rpc_error(&error))
    }

    /// The answer, when it may be believed.
    fn believed<A>(&self, answer: A, judged: Result<(), OutOfReach>) -> Result<A, RPCError<C>> {
        match judged {
            Ok(()) => Ok(answer),
            Err(error) => {
                let controller = self.target;
                tracing::error!(controller, %error, "an answer of a controller is not believed");
                Err(RPCError::Unreachable(Unreachable::from_string(error)))
            }
        }
    }

    fn request(&self, path: &str, timeout: Duration) -> reqwest::RequestBuilder {
        self.http
            .post(format!("http://{}{path}", self.address))
            .headers(self.identity.headers_to(self.target, self.directory_id))
            .timeout(timeout)
    }

    /// No connection, or a refusal: openraft waits before the next try. Else it tries at once.
    fn rpc_error(&self, error: &CallError) -> RPCError<C> {
        match error {
            CallError::Unreachable { .. } => {
                self.complain(error);
                RPCError::Unreachable(Unreachable::from_string(error))
            }
            CallError::Refused(_) => {
                self.complain(error);
                RPCError::Unreachable(Unreachable::from_string(error))
            }
            CallError::TimedOut { .. }
            | CallError::Broken { .. }
            | CallError::Unreadable { .. } => {
                self.complain(error);
                RPCError::Network(NetworkError::from_string(error))
            }
        }
    }

    fn complain(&self, error: &CallError) {
        let mut last = self
            .last_complaint
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() < COMPLAINT_INTERVAL) {
            return;
        }
        *last = Some(Instant::now());
        let controller = self.target;
        match error {
            CallError::Refused(refusal) if refusal.body.retriable => {
                tracing::info!(controller, %error, "a controller takes no raft calls now");
            }
            CallError::Refused(_) => {
                tracing::error!(controller, %error, "a controller refuses our raft calls");
            }
            _ => tracing::warn!(controller, %error, "a controller does not answer"),
        }
    }
}

impl RaftNetworkV2<C> for RaftClient {
    type SnapshotData = ImageSnapshot;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<C>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<C>, RPCError<C>> {
        let timeout = if rpc.entries.is_empty() {
            option.soft_ttl()
        } else {
            option.soft_ttl().max(APPEND_TIMEOUT_MIN)
        };
        let answer = self.post(APPEND, &rpc, timeout).await?;
        let judged = Reach::of_call(&rpc.vote, rpc.prev_log_id.as_ref()).append_answer(&answer);
        self.believed(answer, judged)
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<C>,
        option: RPCOption,
    ) -> Result<VoteResponse<C>, RPCError<C>> {
        let answer = self.post(VOTE, &rpc, option.soft_ttl()).await?;
        let judged = Reach::of_call(&rpc.vote, rpc.last_log_id.as_ref()).vote_answer(&answer);
        self.believed(answer, judged)
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<C>,
        option: RPCOption,
    ) -> Result<VoteResponse<C>, RPCError<C>> {
        let answer = self.post(PRE_VOTE, &rpc, option.soft_ttl()).await?;
        let judged = Reach::of_call(&rpc.vote, rpc.last_log_id.as_ref()).vote_answer(&answer);
        self.believed(answer, judged)
    }

    async fn full_snapshot(
        &mut self,
        vote: VoteOf<C>,
        snapshot: SnapshotOf<C, ImageSnapshot>,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<C>, StreamingError<C>> {
        let body = snapshot.snapshot.body;
        let reach = Reach::of_call(&vote, snapshot.meta.last_log_id.as_ref());
        let head = SnapshotHead {
            vote,
            meta: snapshot.meta,
            length: body.length(),
            checksum: body.checksum(),
        };
        let stream = outgoing(&head, body)
            .map_err(|error| StreamingError::Network(NetworkError::from_string(error)))?;
        let request = self
            .request(SNAPSHOT, SNAPSHOT_TIMEOUT)
            .body(reqwest::Body::wrap_stream(stream));
        tracing::info!(
            controller = self.target,
            bytes = head.length,
            last = ?head.meta.last_log_id,
            "sending a snapshot"
        );
        let answer = call(request, &self.address);
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            answer = answer => {
                let answer = answer.map_err(|error| self.rpc_error(&error))?;
                let judged = reach.snapshot_answer(&answer);
                Ok(self.believed(answer, judged)?)
            }
        }
    }

    async fn transfer_leader(
        &mut self,
        rpc: TransferLeaderRequest<C>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<C>, RPCError<C>> {
        self.post(TRANSFER_LEADER, &rpc, option.soft_ttl()).await
    }
}
