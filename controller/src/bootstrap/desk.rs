//! [`BootstrapDesk`]: what this directory is founded as, for the listener and the first start.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use trimaran_api::ApiError;
use trimaran_api::controller::{BootstrapRequest, BootstrapStatus, BootstrapVoter};
use trimaran_types::{ClusterId, ControllerId, DirectoryId, KafkaError};

use crate::config::ControllerConfig;
use crate::directory::{DirectoryError, MetadataDirectory};
use crate::meta_properties::MetaProperties;

/// Why a founding cannot be this directory's.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// This directory belongs to a cluster already.
    #[error("controller {node} belongs to cluster {own} and cannot join cluster {other}")]
    OtherCluster {
        /// This controller.
        node: ControllerId,
        /// Its cluster.
        own: ClusterId,
        /// The one it was told of.
        other: ClusterId,
    },
    /// The founding does not name this directory.
    #[error(
        "the disk of controller {node} was replaced: cluster {cluster} knows it with another \
         directory than {directory}; bring back the disk itself, never an older copy of it; until \
         then the quorum goes on with the others"
    )]
    ReplacedDisk {
        /// This controller.
        node: ControllerId,
        /// The cluster.
        cluster: ClusterId,
        /// The directory that is here now.
        directory: DirectoryId,
    },
    /// The founding has other voters than the configuration.
    #[error(
        "cluster {cluster} was founded by controllers {founded:?}, controller.quorum.voters names \
         {configured:?}"
    )]
    OtherVoters {
        /// The cluster.
        cluster: ClusterId,
        /// Its founders.
        founded: Vec<u64>,
        /// The configured voters.
        configured: Vec<u64>,
    },
    /// The identity could not be written.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The write was interrupted.
    #[error("the write of meta.properties was interrupted")]
    Interrupted,
}

impl From<AdoptError> for ApiError {
    fn from(error: AdoptError) -> Self {
        let kind = match error {
            AdoptError::OtherCluster { .. } => KafkaError::InconsistentClusterId,
            AdoptError::ReplacedDisk { .. } | AdoptError::OtherVoters { .. } => {
                KafkaError::InvalidRequest
            }
            AdoptError::Directory(_) | AdoptError::Interrupted => KafkaError::KafkaStorageError,
        };
        Self::kafka(kind, error.to_string())
    }
}

/// What the configuration says of this controller's cluster.
#[derive(Debug, Clone)]
struct Configured {
    controller_id: ControllerId,
    cluster: Option<ClusterId>,
    voters: BTreeSet<u64>,
}

/// The directory's identity, and what its first start waits for.
pub(crate) struct BootstrapDesk {
    configured: Configured,
    directory: Arc<Mutex<MetadataDirectory>>,
    status: watch::Sender<BootstrapStatus>,
    waiting_for: Mutex<String>,
}

impl BootstrapDesk {
    /// The desk of an open directory.
    #[must_use]
    pub(crate) fn new(config: &ControllerConfig, directory: MetadataDirectory) -> Self {
        let status = watch::Sender::new(status_of(&directory));
        Self {
            configured: Configured {
                controller_id: config.node_id,
                cluster: config.cluster_id,
                voters: config
                    .voters
                    .iter()
                    .map(|voter| voter.controller_id.0)
                    .collect(),
            },
            directory: Arc::new(Mutex::new(directory)),
            status,
            waiting_for: Mutex::new("it opens its directory".to_owned()),
        }
    }

    /// This controller.
    #[must_use]
    pub(crate) fn controller_id(&self) -> ControllerId {
        self.configured.controller_id
    }

    /// What this directory is founded as, if it is.
    #[must_use]
    pub(crate) fn status(&self) -> BootstrapStatus {
        self.status.borrow().clone()
    }

    /// Follows [`Self::status`].
    #[must_use]
    pub(crate) fn watch(&self) -> watch::Receiver<BootstrapStatus> {
        self.status.subscribe()
    }

    /// Where the raft store lives.
    #[must_use]
    pub(crate) fn raft_path(&self) -> std::path::PathBuf {
        self.lock().raft_path()
    }

    /// Whether the raft log was begun in this directory.
    #[must_use]
    pub(crate) fn is_raft_initialized(&self) -> bool {
        self.lock().properties().is_raft_initialized
    }

    /// What the start waits for, for people.
    #[must_use]
    pub(crate) fn waiting_for(&self) -> String {
        self.waiting_for
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Says what the start waits for; true when that is news.
    pub(crate) fn set_waiting_for(&self, text: String) -> bool {
        let mut waiting = self
            .waiting_for
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_news = *waiting != text;
        *waiting = text;
        is_news
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, MetadataDirectory> {
        self.directory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a founding this directory's; it is on the disk when this returns. The same founding
    /// again is fine.
    ///
    /// # Errors
    /// When it contradicts what is here, or cannot be written.
    pub(crate) async fn found(&self, founding: BootstrapRequest) -> Result<(), AdoptError> {
        let configured = self.configured.clone();
        // Under the lock that stores: of two foundings at once, the second sees the first.
        self.store(move |status, properties| {
            configured.check(status, &founding)?;
            let BootstrapRequest { cluster_id, voters } = founding;
            properties.cluster_id = Some(cluster_id);
            properties.voters = voters;
            Ok(())
        })
        .await
    }

    /// Notes that the raft log was begun.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) async fn set_raft_initialized(&self) -> Result<(), AdoptError> {
        if self.is_raft_initialized() {
            return Ok(());
        }
        self.store(|_, properties| {
            properties.is_raft_initialized = true;
            Ok(())
        })
        .await
    }

    async fn store(
        &self,
        change: impl FnOnce(&BootstrapStatus, &mut MetaProperties) -> Result<(), AdoptError>
        + Send
        + 'static,
    ) -> Result<(), AdoptError> {
        let directory = Arc::clone(&self.directory);
        let status = tokio::task::spawn_blocking(move || {
            let mut directory = directory.lock().unwrap_or_else(PoisonError::into_inner);
            let mut properties = directory.properties().clone();
            change(&status_of(&directory), &mut properties)?;
            if properties != *directory.properties() {
                directory.store(properties)?;
            }
            Ok::<_, AdoptError>(status_of(&directory))
        })
        .await
        .map_err(|_| AdoptError::Interrupted)??;
        self.status.send_replace(status);
        Ok(())
    }
}

impl Configured {
    /// Whether `founding` may be that of a directory with this `status`.
    fn check(
        &self,
        status: &BootstrapStatus,
        founding: &BootstrapRequest,
    ) -> Result<(), AdoptError> {
        let (node, cluster) = (self.controller_id, founding.cluster_id);
        if let Some(own) = status.cluster_id.or(self.cluster)
            && own != cluster
        {
            return Err(AdoptError::OtherCluster {
                node,
                own,
                other: cluster,
            });
        }
        let directory = status.directory_id;
        let names_us =
            |voter: &BootstrapVoter| voter.controller_id == node && voter.directory_id == directory;
        if !founding.voters.iter().any(names_us) {
            return Err(AdoptError::ReplacedDisk {
                node,
                cluster,
                directory,
            });
        }
        let founded: BTreeSet<u64> = founding
            .voters
            .iter()
            .map(|voter| voter.controller_id.0)
            .collect();
        if founded != self.voters {
            return Err(AdoptError::OtherVoters {
                cluster,
                founded: founded.into_iter().collect(),
                configured: self.voters.iter().copied().collect(),
            });
        }
        Ok(())
    }
}

fn status_of(directory: &MetadataDirectory) -> BootstrapStatus {
    let properties = directory.properties();
    BootstrapStatus {
        controller_id: properties.node_id,
        directory_id: properties.directory_id,
        cluster_id: properties.cluster_id,
        voters: properties.voters.clone(),
    }
}
