//! [`MetadataDirectory`]: the controller's directory, its lock and its identity.
//!
//! `meta.properties` says whose directory this is. It is replaced whole: written beside, synced,
//! renamed, and the directory synced. A directory of another node or cluster is refused, and so is
//! one whose metadata log vanished after it had voted: it could vote twice.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use trimaran_types::{ClusterId, ControllerId};

use crate::meta_properties::{InvalidMetaProperties, MetaProperties};

const META_PROPERTIES: &str = "meta.properties";
const LOCK: &str = "LOCK";
const RAFT: &str = "raft";

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The system refused.
    #[error("cannot {operation} {path}: {cause}")]
    Io {
        /// What was attempted.
        operation: &'static str,
        /// On which file.
        path: String,
        /// The system's word.
        cause: io::Error,
    },
    /// Another process uses it.
    #[error("{path} is in use by another process")]
    InUse {
        /// The directory.
        path: String,
    },
    /// Its identity cannot be read.
    #[error("{path} is damaged: {cause}")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong with it.
        cause: InvalidMetaProperties,
    },
    /// It belongs to another controller.
    #[error("{path} belongs to controller {found}, this is controller {expected}")]
    OtherNode {
        /// The directory.
        path: String,
        /// Whose it is.
        found: ControllerId,
        /// Who we are.
        expected: ControllerId,
    },
    /// It belongs to another cluster.
    #[error("{path} belongs to cluster {found}, the configuration says {expected}")]
    OtherCluster {
        /// The directory.
        path: String,
        /// Whose it is.
        found: ClusterId,
        /// What is configured.
        expected: ClusterId,
    },
    /// It has voted, and its log is gone.
    #[error(
        "{path} has lost its metadata log, and with it what controller {node} had promised: leave it \
         stopped, the quorum goes on with the others while they are a majority; never put a backup \
         in its place, an older log takes back what was acknowledged"
    )]
    LogMissing {
        /// The directory.
        path: String,
        /// Who we are.
        node: ControllerId,
    },
}

/// A locked directory and who it belongs to.
#[derive(Debug)]
pub(crate) struct MetadataDirectory {
    path: PathBuf,
    properties: MetaProperties,
    /// Held for as long as the process may touch the directory.
    _lock: File,
}

impl MetadataDirectory {
    /// Locks the directory at `path`, which is made when absent, and reads whose it is. An empty
    /// one gets a directory id. Blocks.
    ///
    /// # Errors
    /// When it cannot be used by this node of this cluster.
    pub(crate) fn open(
        path: &Path,
        node_id: ControllerId,
        cluster_id: Option<ClusterId>,
    ) -> Result<Self, DirectoryError> {
        fs::create_dir_all(path).map_err(io_error("create", path))?;
        let lock_path = path.join(LOCK);
        let lock = File::create(&lock_path).map_err(io_error("create", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DirectoryError::InUse {
                    path: path.display().to_string(),
                });
            }
            Err(TryLockError::Error(cause)) => return Err(io_error("lock", &lock_path)(cause)),
        }
        let file = path.join(META_PROPERTIES);
        let properties = match fs::read_to_string(&file) {
            Ok(text) => MetaProperties::parse(&text).map_err(|cause| DirectoryError::Damaged {
                path: file.display().to_string(),
                cause,
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let drawn = MetaProperties::drawn(node_id);
                replace(path, &drawn)?;
                drawn
            }
            Err(cause) => return Err(io_error("read", &file)(cause)),
        };
        let directory = Self {
            path: path.to_owned(),
            properties,
            _lock: lock,
        };
        directory.check(node_id, cluster_id)?;
        Ok(directory)
    }

    fn check(
        &self,
        node_id: ControllerId,
        cluster_id: Option<ClusterId>,
    ) -> Result<(), DirectoryError> {
        let path = self.path.display().to_string();
        let found = self.properties.node_id;
        if found != node_id {
            return Err(DirectoryError::OtherNode {
                path,
                found,
                expected: node_id,
            });
        }
        if let Some(expected) = cluster_id
            && let Some(found) = self.properties.cluster_id
            && found != expected
        {
            return Err(DirectoryError::OtherCluster {
                path,
                found,
                expected,
            });
        }
        if self.properties.is_raft_initialized && !self.raft_path().exists() {
            return Err(DirectoryError::LogMissing {
                path,
                node: node_id,
            });
        }
        Ok(())
    }

    /// Whose directory this is.
    #[must_use]
    pub(crate) fn properties(&self) -> &MetaProperties {
        &self.properties
    }

    /// Where the raft store lives.
    #[must_use]
    pub(crate) fn raft_path(&self) -> PathBuf {
        self.path.join(RAFT)
    }

    /// Replaces the identity; durable when this returns. Blocks.
    ///
    /// # Errors
    /// When the system refuses; the old identity is then still there.
    pub(crate) fn store(&mut self, properties: MetaProperties) -> Result<(), DirectoryError> {
        replace(&self.path, &properties)?;
        self.properties = properties;
        Ok(())
    }
}

fn replace(directory: &Path, properties: &MetaProperties) -> Result<(), DirectoryError> {
    let beside = directory.join("meta.properties.new");
    let target = directory.join(META_PROPERTIES);
    let mut file = File::create(&beside).map_err(io_error("create", &beside))?;
    file.write_all(properties.to_string().as_bytes())
        .map_err(io_error("write", &beside))?;
    file.sync_all().map_err(io_error("sync", &beside))?;
    fs::rename(&beside, &target).map_err(io_error("rename", &beside))?;
    let folder = File::open(directory).map_err(io_error("open", directory))?;
    folder.sync_all().map_err(io_error("sync", directory))
}

fn io_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DirectoryError {
    let path = path.display().to_string();
    move |cause| DirectoryError::Io {
        operation,
        path,
        cause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: ControllerId = ControllerId(1);

    #[test]
    fn an_empty_directory_gets_an_id_and_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er");
        let first = MetadataDirectory::open(&path, NODE, None).unwrap();
        let id = first.properties().directory_id;
        let busy = MetadataDirectory::open(&path, NODE, None).unwrap_err();
        assert!(matches!(busy, DirectoryError::InUse { .. }), "{busy}");
        drop(first);
        let again = MetadataDirectory::open(&path, NODE, None).unwrap();
        assert_eq!(again.properties().directory_id, id);
        drop(again);
        let other = MetadataDirectory::open(&path, ControllerId(2), None).unwrap_err();
        assert!(
            other.to_string().contains("belongs to controller 1"),
            "{other}"
        );
    }

    #[test]
    fn another_cluster_and_a_lost_log_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let cluster = ClusterId::from_uuid(uuid::Uuid::from_u128(7));
        let mut directory = MetadataDirectory::open(folder.path(), NODE, None).unwrap();
        let mut properties = directory.properties().clone();
        properties.cluster_id = Some(cluster);
        directory.store(properties.clone()).unwrap();
        drop(directory);
        let other = ClusterId::from_uuid(uuid::Uuid::from_u128(8));
        let error = MetadataDirectory::open(folder.path(), NODE, Some(other)).unwrap_err();
        assert!(
            matches!(error, DirectoryError::OtherCluster { .. }),
            "{error}"
        );
        let mut directory = MetadataDirectory::open(folder.path(), NODE, Some(cluster)).unwrap();
        properties.is_raft_initialized = true;
        directory.store(properties).unwrap();
        drop(directory);
        let error = MetadataDirectory::open(folder.path(), NODE, None).unwrap_err();
        assert!(
            matches!(error, DirectoryError::LogMissing { .. }),
            "{error}"
        );
    }
}
