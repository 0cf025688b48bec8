//! [`Running`]: the node with its tasks, from a founded directory to its end.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select_all;
use openraft::Instant as _;
use openraft::async_runtime::WatchReceiver as _;
use openraft::storage::RaftLogReader as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trimaran_api::controller::BootstrapStatus;
use trimaran_raft_store::{RaftStore, StoreOptions};

use crate::bootstrap::{AdoptError, BootstrapDesk, BootstrapError};
use crate::clock::Clock;
use crate::config::ControllerConfig;
use crate::directory::DirectoryError;
use crate::fatal::Fatal;
use crate::leader_watch::watch_leader;
use crate::node::{Node, NodeParts};
use crate::proposer::ProposerTask;
use crate::published::Published;
use crate::raft_group;
use crate::raft_network::{Identity, Peers};
use crate::sessions::{Sessions, SharedSessions, watch_sessions};
use crate::standing::{self, Standing};
use crate::state_machine::StateMachine;
use crate::stored_codec::StoredCodec;
use crate::type_config::{Raft, TypeConfig};

/// How long a stopping leader waits for another to take over.
const HAND_OVER_WAIT: Duration = Duration::from_secs(1);

/// Pause between two looks at who could take over.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// The raft store of a controller.
pub(crate) type Store = RaftStore<TypeConfig, StoredCodec>;

/// A node with its tasks.
pub(crate) struct Running {
    node: Arc<Node>,
    store: Store,
    tasks: TaskTracker,
    /// The tasks without which it must not go on: it would look alive and do nothing.
    vital: Vec<(&'static str, JoinHandle<()>)>,
    stop: CancellationToken,
}

impl Running {
    /// Starts everything on an open store.
    pub(crate) async fn start(
        config: ControllerConfig,
        desk: &Arc<BootstrapDesk>,
        store: Store,
        founding: BootstrapStatus,
        http: reqwest::Client,
    ) -> Result<Self, Fatal> {
        let cluster_id = founding
            .cluster_id
            .ok_or_else(|| Fatal::Lost("a founding without a cluster".to_owned()))?;
        let identity = Identity {
            cluster_id,
            controller_id: founding.controller_id,
            directory_id: founding.directory_id,
        };
        let addresses: BTreeMap<u64, String> = config
            .voters
            .iter()
            .map(|voter| (voter.controller_id.0, voter.address.clone()))
            .collect();
        let published = Arc::new(Published::new(config.feed_cache_bytes_max));
        let raft = Raft::build(
            config.node_id.0,
            raft_group::config(&config).map_err(|error| Fatal::Config(error.to_string()))?,
            Peers::new(http.clone(), identity, addresses.clone()),
            store.log(),
            StateMachine::new(Arc::clone(&published), store.snapshots()),
        )
        .await
        .map_err(|error| Fatal::Raft(error.to_string()))?;
        let clock = Clock::start();
        let standing = watch::Sender::new(Standing::default());
        let (proposer_task, proposer) = ProposerTask::new(
            raft.clone(),
            Arc::clone(&published),
            clock,
            standing.subscribe(),
            config.request_timeout,
        );
        let session_ms =
            u64::try_from(config.broker_session_timeout.as_millis()).unwrap_or(u64::MAX);
        let stop = CancellationToken::new();
        let node = Arc::new(Node::new(NodeParts {
            config,
            identity,
            clock,
            raft: raft.clone(),
            published,
            standing: standing.subscribe(),
            proposer,
            sessions: SharedSessions::new(Sessions::new(session_ms)),
            log_reader: store.log().reader(),
            snapshots: store.snapshots(),
            http,
            addresses,
            stopping: stop.clone(),
        }));
        raft.run();
        let mut running = Self {
            node,
            store,
            tasks: TaskTracker::new(),
            vital: Vec::new(),
            stop,
        };
        running.spawn_tasks(standing, proposer_task, founding, Arc::clone(desk));
        Ok(running)
    }

    fn spawn_tasks(
        &mut self,
        standing: watch::Sender<Standing>,
        proposer: ProposerTask,
        founding: BootstrapStatus,
        desk: Arc<BootstrapDesk>,
    ) {
        let (tasks, node) = (&self.tasks, &self.node);
        let follow = tasks.spawn(standing::follow(node.raft().clone(), standing));
        let propose = tasks.spawn(proposer.run(self.stop.clone()));
        let sessions = tasks.spawn(watch_sessions(Arc::clone(node), self.stop.clone()));
        self.vital = vec![
            ("proposer", propose),
            ("sessions", sessions),
            ("standing", follow),
        ];
        tasks.spawn(watch_leader(Arc::clone(node), self.stop.clone()));
        let (begun, stop) = (Arc::clone(node), self.stop.clone());
        tasks.spawn(async move {
            tokio::select! {
                () = begin_log(&begun, founding, desk) => {}
                () = stop.cancelled() => {}
            }
        });
    }

    /// The node.
    pub(crate) fn node(&self) -> Arc<Node> {
        Arc::clone(&self.node)
    }

    /// Waits for a condition that this controller must not survive.
    pub(crate) async fn fatal(&mut self) -> Fatal {
        let mut fault = self.store.fault();
        let mut metrics = self.node.raft().metrics();
        let stopped = async {
            loop {
                if let Err(fatal) = &metrics.borrow_watched().running_state {
                    return Fatal::Raft(fatal.to_string());
                }
                if metrics.changed().await.is_err() {
                    return Fatal::Raft("its metrics ended".to_owned());
                }
            }
        };
        tokio::select! {
            biased;
            fault = fault.wait_for(Option::is_some) => {
                let fault = fault.ok().and_then(|fault| fault.clone());
                fault.map_or_else(
                    || Fatal::Store("the raft store was lost".to_owned()),
                    |fault| Fatal::from(fault.as_ref()),
                )
            }
            fatal = stopped => fatal,
            fatal = lost(&mut self.vital) => fatal,
        }
    }

    /// Ends in order: leadership, raft, tasks, store.
    pub(crate) async fn stop(self, hands_over: bool) -> Result<(), Fatal> {
        if hands_over {
            hand_over(&self.node).await;
        }
        self.stop.cancel();
        if let Err(error) = self.node.raft().shutdown().await {
            tracing::warn!(%error, "raft did not shut down in order");
        }
        self.tasks.close();
        self.tasks.wait().await;
        self.store.close().await?;
        tracing::info!(controller = %self.node.identity().controller_id, "controller stopped");
        Ok(())
    }

    /// Ends after a fatal condition: nothing more is written.
    pub(crate) fn abandon(self) {
        self.stop.cancel();
    }
}

/// Waits until one of `tasks` ends, which none of them does before it is asked to.
async fn lost(tasks: &mut [(&'static str, JoinHandle<()>)]) -> Fatal {
    let watched = tasks.iter_mut().map(|(name, task)| {
        Box::pin(async move {
            match task.await {
                Ok(()) => Fatal::Lost(format!("{name} ended by itself")),
                Err(error) => Fatal::Lost(format!("{name}: {error}")),
            }
        })
    });
    select_all(watched).await.0
}

/// Begins at once to open the store; the result is what to wait for.
pub(crate) fn open_store(
    desk: Arc<BootstrapDesk>,
) -> impl Future<Output = Result<Store, Fatal>> + Send + use<> {
    let opening = tokio::spawn(async move {
        let path = desk.raft_path();
        let shown = path.display().to_string();
        let store =
            tokio::task::spawn_blocking(move || Store::open(&path, StoreOptions::default()))
                .await
                .map_err(|error| Fatal::Lost(error.to_string()))??;
        let mut reader = store.log().reader();
        let vote = reader
            .read_vote()
            .await
            .map_err(|error| Fatal::Store(error.to_string()))?;
        if desk.is_raft_initialized() && vote.is_none() && store.snapshots().current().is_none() {
            let error = DirectoryError::LogMissing {
                path: shown,
                node: desk.controller_id(),
            };
            return Err(Fatal::from(error));
        }
        Ok(store)
    });
    async move {
        opening
            .await
            .unwrap_or_else(|error| Err(Fatal::Lost(error.to_string())))
    }
}

/// Begins the log if this is the first start, and notes that it has begun.
async fn begin_log(node: &Node, founding: BootstrapStatus, desk: Arc<BootstrapDesk>) {
    let mut standing = node.watch_standing();
    if let Err(error) = raft_group::initialize(node, &founding.voters).await {
        tracing::error!(%error, "cannot begin the metadata log");
        return;
    }
    // A leader that is known has a vote of this node or an entry in its log, on the disk.
    if standing
        .wait_for(|standing| standing.leader.is_some())
        .await
        .is_err()
    {
        return;
    }
    if let Err(error) = desk.set_raft_initialized().await {
        tracing::error!(%error, "cannot note that the metadata log was begun");
    }
}

/// Gives leadership to the voter that has most of the log, of those that answered lately. When all
/// controllers are stopped together there is none, and nothing to wait for.
async fn hand_over(node: &Node) {
    if !node.is_leader() {
        return;
    }
    let metrics = node.raft().metrics().borrow_watched().clone();
    let own = metrics.id;
    let voters: Vec<u64> = metrics
        .membership_config
        .voter_ids()
        .filter(|id| *id != own)
        .collect();
    let patience = node.config().election_timeout;
    let heard = metrics.heartbeat.unwrap_or_default();
    let is_there = |id: &u64| {
        heard
            .get(id)
            .and_then(Option::as_ref)
            .is_some_and(|heard| heard.elapsed() <= patience)
    };
    let target = metrics
        .replication
        .unwrap_or_default()
        .into_iter()
        .filter(|(id, _)| voters.contains(id) && is_there(id))
        .max_by_key(|(_, matching)| *matching);
    let Some((target, _)) = target else {
        tracing::info!("no other controller answers; leadership is not handed over");
        return;
    };
    tracing::info!(target, "handing leadership over");
    if let Err(error) = node.raft().trigger().transfer_leader(target).await {
        tracing::info!(%error, "cannot hand leadership over");
        return;
    }
    let mut standing = node.watch_standing();
    let gone = standing.wait_for(|standing| !standing.is_leader && standing.leader.is_some());
    tokio::select! {
        taken = tokio::time::timeout(HAND_OVER_WAIT, gone) => if taken.is_err() {
            tracing::info!(target, "nobody took leadership over in time");
        },
        () = nobody_is_left(node) => {
            tracing::info!(target, "no other controller is there any more to take leadership over");
        }
    }
}

/// Ends when no other voter takes connections: they are being stopped, too.
async fn nobody_is_left(node: &Node) {
    let own = node.identity().controller_id.0;
    loop {
        tokio::time::sleep(LOOK_PAUSE).await;
        let (reachable, _) = node.reachable_voters().await;
        if reachable.iter().all(|id| *id == own) {
            return;
        }
    }
}

impl From<AdoptError> for Fatal {
    fn from(error: AdoptError) -> Self {
        Self::Bootstrap(BootstrapError::Adopt(error))
    }
}
