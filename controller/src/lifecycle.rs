//! [`Controller`]: a controller from its directory to its last sync.
//!
//! The listener opens first, because the first start of a quorum needs it; the node follows once
//! the directory is founded. It ends on request, or by itself on a condition that it must not
//! survive: a failed disk, or a raft core that stopped.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use trimaran_listener::{BindError, Limits};

use crate::bootstrap::{BootstrapDesk, rendezvous};
use crate::config::ControllerConfig;
use crate::directory::{DirectoryError, MetadataDirectory};
use crate::fatal::Fatal;
use crate::http::{App, router};
use crate::running::{Running, open_store};

/// Why a controller did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// Its listener cannot be opened.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// No HTTP client could be made.
    #[error("cannot make an HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    /// The runtime is ending.
    #[error("the start was interrupted")]
    Interrupted,
}

/// How a controller is asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Farewell {
    /// Hand leadership over first.
    HandOver,
    /// At once, as after a crash, but with the directory's lock freed.
    AtOnce,
}

/// A controller, started.
pub struct Controller {
    address: SocketAddr,
    stop: tokio::sync::watch::Sender<Option<Farewell>>,
    task: JoinHandle<Result<(), Fatal>>,
}

impl Controller {
    /// Opens the directory and the listener, then goes on by itself.
    ///
    /// # Errors
    /// When the directory or the listener cannot be opened.
    pub async fn start(config: ControllerConfig) -> Result<Self, StartError> {
        let listener =
            trimaran_listener::bind(&config.listen_address, config.allow_insecure).await?;
        Self::start_on(config, listener).await
    }

    /// The same on a listener that is open already.
    ///
    /// # Errors
    /// When the directory cannot be opened.
    pub async fn start_on(
        config: ControllerConfig,
        listener: TcpListener,
    ) -> Result<Self, StartError> {
        let (path, node_id, cluster_id) = (
            config.metadata_directory.clone(),
            config.node_id,
            config.cluster_id,
        );
        let directory = tokio::task::spawn_blocking(move || {
            MetadataDirectory::open(&path, node_id, cluster_id)
        })
        .await
        .map_err(|_| StartError::Interrupted)??;
        let address = listener.local_addr().map_err(|cause| BindError::Address {
            address: config.listen_address.clone(),
            cause: cause.to_string(),
        })?;
        let http = trimaran_api::client::http_client(config.election_timeout)?;
        let desk = Arc::new(BootstrapDesk::new(&config, directory));
        let app = Arc::new(App::new(Arc::clone(&desk)));
        let stop = tokio::sync::watch::Sender::new(None);
        tracing::info!(controller = %node_id, %address, "controller starts");
        let task = tokio::spawn(live(config, desk, app, http, listener, stop.subscribe()));
        Ok(Self {
            address,
            stop,
            task,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it ends by itself, which is always a failure.
    ///
    /// # Errors
    /// The condition that it must not survive.
    pub async fn ended(&mut self) -> Result<(), Fatal> {
        (&mut self.task)
            .await
            .unwrap_or_else(|error| Err(Fatal::Lost(error.to_string())))
    }

    /// Hands leadership over, syncs, closes.
    ///
    /// # Errors
    /// The condition that it ended by instead.
    pub async fn stop(self) -> Result<(), Fatal> {
        self.end(Farewell::HandOver).await
    }

    /// Ends without a word to the others, as a crash would; the directory can be opened again.
    ///
    /// # Errors
    /// The condition that it ended by instead.
    pub async fn stop_at_once(self) -> Result<(), Fatal> {
        self.end(Farewell::AtOnce).await
    }

    async fn end(mut self, farewell: Farewell) -> Result<(), Fatal> {
        self.stop.send_replace(Some(farewell));
        self.ended().await
    }
}

/// The whole life, after the doors are open.
async fn live(
    config: ControllerConfig,
    desk: Arc<BootstrapDesk>,
    app: Arc<App>,
    http: reqwest::Client,
    listener: TcpListener,
    mut stop: tokio::sync::watch::Receiver<Option<Farewell>>,
) -> Result<(), Fatal> {
    let doors = CancellationToken::new();
    let serving = tokio::spawn(trimaran_listener::serve(
        listener,
        router(Arc::clone(&app)),
        Limits::default(),
        doors.clone(),
    ));
    let result = async {
        // The store opens while the others are asked: a new one takes a while on a slow disk.
        let store = open_store(Arc::clone(&desk));
        let founding = tokio::select! {
            founding = rendezvous(&config, &desk, &http) => founding?,
            _ = asked(&mut stop) => {
                store.await?.close().await?;
                return Ok(());
            }
        };
        desk.set_waiting_for("it reads its metadata log".to_owned());
        let mut running = Running::start(config, &desk, store.await?, founding, http).await?;
        app.set_node(running.node());
        let farewell = tokio::select! {
            fatal = running.fatal() => Err(fatal),
            farewell = asked(&mut stop) => Ok(farewell),
        };
        match farewell {
            Ok(farewell) => {
                if farewell == Farewell::AtOnce {
                    doors.cancel();
                }
                running.stop(farewell == Farewell::HandOver).await
            }
            Err(fatal) => {
                running.abandon();
                Err(fatal)
            }
        }
    }
    .await;
    doors.cancel();
    if serving.await.is_err() {
        tracing::warn!("the listener's task was lost");
    }
    result
}

/// Waits until somebody asks for the end.
async fn asked(stop: &mut tokio::sync::watch::Receiver<Option<Farewell>>) -> Farewell {
    let farewell = stop.wait_for(Option::is_some).await;
    // A dropped handle asks for nothing better.
    farewell
        .ok()
        .and_then(|farewell| *farewell)
        .unwrap_or(Farewell::AtOnce)
}
