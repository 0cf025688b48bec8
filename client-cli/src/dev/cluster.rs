//! [`Cluster`]: a development cluster from start to stop.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use trimaran_api::client::http_client;

use super::control_server;
use super::layout::Layout;
use super::node_name::{NodeName, NodeRole};
use super::node_view::{NodeState, NodeView};
use super::programs::Programs;
use super::progress::Progress;
use super::supervisor::{Nodes, Supervisor};
use crate::failure::Failure;

/// How long the nodes get to be ready while none of them has died.
const READY_PATIENCE: Duration = Duration::from_secs(180);

/// How long to wait for a connection to a node when asking whether it is ready.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A running development cluster. One process at a time may run the one in a folder.
#[derive(Debug)]
pub(crate) struct Cluster {
    layout: Layout,
    nodes: Nodes,
    started: Instant,
    /// Held as long as we live; the kernel lets go of it, however we end.
    _lock: File,
}

impl Cluster {
    /// Starts every node of `layout`.
    ///
    /// # Errors
    /// When another process runs this cluster, or a node cannot be started.
    pub(crate) async fn start(layout: Layout, programs: Programs) -> Result<Self, Failure> {
        let lock = lock(layout.folder())?;
        let http = http_client(CONNECT_TIMEOUT)
            .map_err(|error| Failure::failed(format!("cannot make an HTTP client: {error}")))?;
        let started = Instant::now();
        let nodes = Supervisor::spawn(layout.clone(), programs, http);
        control_server::spawn(layout.folder(), nodes.clone())?;
        for node in layout.nodes() {
            nodes.start(node).await.map_err(Failure::failed)?;
        }
        Ok(Self {
            layout,
            nodes,
            started,
            _lock: lock,
        })
    }

    /// The folder and the addresses.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// When the first process was started.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// The nodes, to watch and to disturb.
    pub(crate) fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// Waits until every node is ready and shows how far each is. Nodes that someone has stopped
    /// meanwhile are not waited for.
    ///
    /// # Errors
    /// When a node dies, or they take too long.
    pub(crate) async fn ready(&self) -> Result<Vec<NodeView>, Failure> {
        let mut nodes = self.nodes.clone();
        let mut progress = Progress::start();
        let deadline = tokio::time::Instant::now() + READY_PATIENCE;
        loop {
            let views = nodes.views();
            progress.show(&views);
            if let Some(dead) = views.iter().find(|view| view.state == NodeState::Died) {
                return Err(not_running(dead));
            }
            if !views.iter().any(|view| view.state == NodeState::Starting) {
                return Ok(views);
            }
            if tokio::time::timeout_at(deadline, nodes.changed())
                .await
                .is_err()
            {
                return Err(too_slow(&views));
            }
        }
    }

    /// Stops the brokers, then the controllers, each in its own time.
    pub(crate) async fn stop(&self) {
        for role in [NodeRole::Broker, NodeRole::Controller] {
            let of_role = self.running().into_iter().filter(|node| node.role == role);
            let stops = of_role.map(|node| self.nodes.stop(node));
            // One that ended meanwhile is what we want.
            let _ = futures_util::future::join_all(stops).await;
        }
    }

    /// Ends every process at once.
    pub(crate) async fn kill(&self) {
        let kills = self.running().into_iter().map(|node| self.nodes.kill(node));
        // Likewise.
        let _ = futures_util::future::join_all(kills).await;
    }

    fn running(&self) -> Vec<NodeName> {
        let views = self.nodes.views();
        views
            .into_iter()
            .filter(|view| view.pid.is_some())
            .map(|view| view.node)
            .collect()
    }
}

/// How a node ended, with the way to find out more.
pub(crate) fn not_running(view: &NodeView) -> Failure {
    let detail = view.detail.as_deref().unwrap_or("no reason is known");
    Failure::failed(format!("{} {}: {detail}", view.node, view.state.text()))
        .try_next(format!("tail {}", view.log.display()))
}

fn too_slow(views: &[NodeView]) -> Failure {
    let waiting: Vec<String> = views
        .iter()
        .filter(|view| view.state != NodeState::Ready)
        .map(|view| {
            format!(
                "{} ({})",
                view.node,
                view.detail.as_deref().unwrap_or("starting")
            )
        })
        .collect();
    let logs = views
        .first()
        .and_then(|view| view.log.parent())
        .unwrap_or(Path::new("."));
    Failure::failed(format!(
        "not ready after {} s: {}",
        READY_PATIENCE.as_secs(),
        waiting.join(", ")
    ))
    .try_next(format!("tail {}/*.log", logs.display()))
}

fn lock(folder: &Path) -> Result<File, Failure> {
    let path = folder.join("dev.lock");
    let failed =
        |error: std::io::Error| Failure::failed(format!("cannot lock {}: {error}", path.display()));
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Failure::failed(format!(
            "a development cluster runs in {} already",
            folder.display()
        ))
        .try_next(format!(
            "trimaran dev status --data {}, or another folder",
            folder.display()
        ))),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
