//! [`Node`]: a running controller, as its routes and tasks see it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use openraft::Instant as _;
use openraft::async_runtime::WatchReceiver as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use trimaran_raft_store::{LogReader, SnapshotStore};
use trimaran_types::{DirectoryId, MonotonicTime};

use crate::clock::Clock;
use crate::config::ControllerConfig;
use crate::leader_contact::LeaderContact;
use crate::proposer::Proposer;
use crate::published::Published;
use crate::raft_network::{Identity, Reach};
use crate::sessions::{Connections, SharedSessions};
use crate::standing::Standing;
use crate::stored_codec::StoredCodec;
use crate::type_config::{Raft, TypeConfig};

/// How long a voter may take to accept a connection, when somebody asks who is there.
pub(crate) const KNOCK_TIMEOUT: Duration = Duration::from_millis(200);

/// The parts of a running controller.
pub(crate) struct NodeParts {
    pub(crate) config: ControllerConfig,
    pub(crate) identity: Identity,
    pub(crate) clock: Clock,
    pub(crate) raft: Raft,
    pub(crate) published: Arc<Published>,
    pub(crate) standing: watch::Receiver<Standing>,
    pub(crate) proposer: Proposer,
    pub(crate) sessions: SharedSessions,
    pub(crate) log_reader: LogReader<TypeConfig, StoredCodec>,
    pub(crate) snapshots: SnapshotStore<TypeConfig, StoredCodec>,
    pub(crate) http: reqwest::Client,
    pub(crate) addresses: BTreeMap<u64, String>,
    pub(crate) stopping: CancellationToken,
}

/// A running controller.
pub(crate) struct Node {
    parts: NodeParts,
    connections: Connections,
    leader_contact: LeaderContact,
    /// Since when a leader of this term is known to have no answer of a majority.
    unanswered: Mutex<Option<(u64, MonotonicTime)>>,
}

impl Node {
    pub(crate) fn new(parts: NodeParts) -> Self {
        // A follower that hears nothing for this long stands for election.
        let patience = parts.config.election_timeout.saturating_mul(3);
        let leader_contact = LeaderContact::new(patience);
        Self {
            parts,
            connections: Connections::default(),
            leader_contact,
            unanswered: Mutex::new(None),
        }
    }

    /// Its settings.
    #[must_use]
    pub(crate) fn config(&self) -> &ControllerConfig {
        &self.parts.config
    }

    /// Its cluster, id and directory.
    #[must_use]
    pub(crate) fn identity(&self) -> &Identity {
        &self.parts.identity
    }

    /// Its clocks.
    #[must_use]
    pub(crate) fn clock(&self) -> Clock {
        self.parts.clock
    }

    /// The raft group.
    #[must_use]
    pub(crate) fn raft(&self) -> &Raft {
        &self.parts.raft
    }

    /// The applied image.
    #[must_use]
    pub(crate) fn published(&self) -> &Arc<Published> {
        &self.parts.published
    }

    /// Where changes are proposed.
    #[must_use]
    pub(crate) fn proposer(&self) -> &Proposer {
        &self.parts.proposer
    }

    /// Which brokers live.
    #[must_use]
    pub(crate) fn sessions(&self) -> &SharedSessions {
        &self.parts.sessions
    }

    /// The brokers' session connections.
    #[must_use]
    pub(crate) fn connections(&self) -> &Connections {
        &self.connections
    }

    /// The raft log.
    #[must_use]
    pub(crate) fn log_reader(&self) -> &LogReader<TypeConfig, StoredCodec> {
        &self.parts.log_reader
    }

    /// The stored snapshots.
    #[must_use]
    pub(crate) fn snapshots(&self) -> &SnapshotStore<TypeConfig, StoredCodec> {
        &self.parts.snapshots
    }

    /// The client for calls to other nodes.
    #[must_use]
    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.parts.http
    }

    /// Cancelled when this controller begins to stop.
    #[must_use]
    pub(crate) fn stopping(&self) -> CancellationToken {
        self.parts.stopping.clone()
    }

    /// What it is in the raft group.
    #[must_use]
    pub(crate) fn standing(&self) -> Standing {
        *self.parts.standing.borrow()
    }

    /// Follows [`Self::standing`].
    #[must_use]
    pub(crate) fn watch_standing(&self) -> watch::Receiver<Standing> {
        self.parts.standing.clone()
    }

    /// Whether it leads the raft group.
    #[must_use]
    pub(crate) fn is_leader(&self) -> bool {
        self.standing().is_leader
    }

    /// The leader's id and address, this controller included, where it is known and was heard of
    /// lately: raft itself remembers a leader until there is another one. A leader that no majority
    /// answers any more is none: the others may have another.
    #[must_use]
    pub(crate) fn leader(&self) -> Option<(u64, String)> {
        let standing = self.standing();
        let id = standing.leader?;
        let is_followed = if standing.is_leader {
            !self.leads_in_vain()
        } else {
            self.leader_contact.is_fresh(self.clock().now())
        };
        if !is_followed {
            return None;
        }
        Some((id, self.address_of(id)?))
    }

    /// Notes that the leader sent entries or a sign of life.
    pub(crate) fn heard_of_leader(&self) {
        self.leader_contact.heard(self.clock().now());
    }

    /// Whether it leads, and no majority has answered for longer than an election takes.
    #[must_use]
    pub(crate) fn leads_in_vain(&self) -> bool {
        let standing = self.standing();
        if !standing.is_leader {
            return false;
        }
        let patience = self.parts.config.election_timeout.saturating_mul(4);
        let metrics = self.parts.raft.metrics();
        let metrics = metrics.borrow_watched();
        // Raft notes an answer of the majority only when another node answers.
        let is_alone = metrics.membership_config.voter_ids().nth(1).is_none();
        if is_alone {
            return false;
        }
        match &metrics.last_quorum_acked {
            Some(acked) => acked.elapsed() > patience,
            None => self.unanswered_for(standing.term) > patience,
        }
    }

    /// How long ago a majority surely followed this controller as its leader; `None` while it does not
    /// lead, or nobody has answered yet.
    #[must_use]
    pub(crate) fn quorum_age(&self) -> Option<Duration> {
        if !self.standing().is_leader {
            return None;
        }
        let metrics = self.parts.raft.metrics();
        let metrics = metrics.borrow_watched();
        // Alone, it is the majority.
        if metrics.membership_config.voter_ids().nth(1).is_none() {
            return Some(Duration::ZERO);
        }
        // Raft counts from when the call that the majority answered was sent.
        metrics
            .last_quorum_acked
            .as_ref()
            .map(|acked| acked.elapsed())
    }

    /// How long it has been known that this leader of `term` has no answer of a majority yet.
    fn unanswered_for(&self, term: u64) -> Duration {
        let now = self.clock().now();
        let mut since = self
            .unanswered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let began = match *since {
            Some((known, began)) if known == term => began,
            _ => now,
        };
        *since = Some((term, began));
        Duration::from_millis(now.ms_since(began))
    }

    /// A voter's address: as configured, else as in the membership.
    #[must_use]
    pub(crate) fn address_of(&self, id: u64) -> Option<String> {
        if let Some(address) = self.parts.addresses.get(&id) {
            return Some(address.clone());
        }
        let metrics = self.parts.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        metrics
            .membership_config
            .get_node(&id)
            .map(|node| node.address.clone())
    }

    /// The directory that a voter votes from, by the membership.
    pub(crate) fn directory_of(&self, id: u64) -> Option<DirectoryId> {
        let metrics = self.parts.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        metrics
            .membership_config
            .get_node(&id)
            .map(|node| node.directory_id)
    }

    /// What the other controllers may tell.
    pub(crate) fn reach(&self) -> Reach {
        let term = {
            let metrics = self.parts.raft.server_metrics();
            let metrics = metrics.borrow_watched();
            metrics.vote.leader_id.term
        };
        let metrics = self.parts.raft.data_metrics();
        let last = metrics.borrow_watched().last_log;
        Reach::of(term, last.map(|log_id| log_id.index))
    }

    /// First index that the raft log still holds.
    #[must_use]
    pub(crate) fn log_start(&self) -> u64 {
        let metrics = self.parts.raft.data_metrics();
        let purged = metrics.borrow_watched().purged;
        purged.map_or(0, |log_id| log_id.index.saturating_add(1))
    }

    /// Why it cannot do its part; empty when it can.
    #[must_use]
    pub(crate) fn not_ready(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.parts.stopping.is_cancelled() {
            reasons.push("it is stopping".to_owned());
        }
        let standing = self.standing();
        if self.leads_in_vain() {
            reasons.push("it leads, but no majority of the controllers answers".to_owned());
        } else if self.leader().is_none() {
            reasons.push("no active controller is known".to_owned());
        } else if standing.is_leader && self.proposer().active_term().is_none() {
            reasons.push("it leads, and still applies what came before".to_owned());
        }
        reasons
    }

    /// Ids of the voters that accept a connection now, and of those that do not.
    pub(crate) async fn reachable_voters(&self) -> (Vec<u64>, Vec<u64>) {
        let own = self.parts.config.node_id.0;
        let knocks = self.parts.addresses.iter().map(|(id, address)| async move {
            let knock = tokio::time::timeout(KNOCK_TIMEOUT, TcpStream::connect(address));
            (*id, *id == own || matches!(knock.await, Ok(Ok(_))))
        });
        let (reachable, unreachable): (Vec<_>, Vec<_>) = join_all(knocks)
            .await
            .into_iter()
            .partition(|(_, is_reachable)| *is_reachable);
        let ids = |pairs: Vec<(u64, bool)>| pairs.into_iter().map(|(id, _)| id).collect();
        (ids(reachable), ids(unreachable))
    }
}
