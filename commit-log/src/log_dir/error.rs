//! [`LogDirError`]: why a data directory cannot be used.

use std::io;
use std::path::{Path, PathBuf};

use trimaran_types::{BrokerId, ClusterId};

use super::InvalidMetaProperties;
use crate::latch::DirFailed;

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogDirError {
    /// Another process, or another part of this one, uses it.
    #[error("data directory {} is in use by another process", data_dir.display())]
    InUse {
        /// The directory.
        data_dir: PathBuf,
    },
    /// It belongs to another cluster.
    #[error("data directory {} belongs to cluster {found}, this node is of cluster {expected}", data_dir.display())]
    OtherCluster {
        /// The directory.
        data_dir: PathBuf,
        /// The cluster that it belongs to.
        found: ClusterId,
        /// This node's cluster.
        expected: ClusterId,
    },
    /// It belongs to another node.
    #[error("data directory {} belongs to node {found}, this is node {expected}", data_dir.display())]
    OtherNode {
        /// The directory.
        data_dir: PathBuf,
        /// The node that it belongs to.
        found: BrokerId,
        /// This node.
        expected: BrokerId,
    },
    /// There are logs, but nothing says whose they are.
    #[error("data directory {} holds logs but no meta.properties", data_dir.display())]
    NobodysLogs {
        /// The directory.
        data_dir: PathBuf,
    },
    /// Its `meta.properties` cannot be read.
    #[error("{} cannot be read: {cause}", path.display())]
    Meta {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: InvalidMetaProperties,
    },
    /// It has failed.
    #[error(transparent)]
    DirFailed(#[from] DirFailed),
    /// The system refused.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// Names the path in an error of the system.
pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> LogDirError {
    let path = path.to_owned();
    move |source| LogDirError::Io { path, source }
}
