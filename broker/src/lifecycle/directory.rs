//! The log directory: whose it is, and taking it.

use std::path::Path;
use std::sync::Arc;

use trimaran_commit_log::{Disk, LogDir, LogDirError, MetaProperties, RealDisk};
use trimaran_types::{BrokerId, ClusterId, DirectoryId};
use uuid::Uuid;

use super::Fatal;

/// The cluster that the directory belongs to; `None` when it belongs to nobody yet.
pub(super) fn owner(log_dir: &Path) -> Result<Option<ClusterId>, Fatal> {
    let disk = RealDisk;
    disk.create_dir(log_dir).map_err(|source| LogDirError::Io {
        path: log_dir.to_owned(),
        source,
    })?;
    Ok(MetaProperties::read(&disk, log_dir)?.map(|meta| meta.cluster_id))
}

/// Takes the directory for this broker; an empty one becomes its own.
pub(super) async fn take(
    log_dir: &Path,
    cluster_id: ClusterId,
    broker_id: BrokerId,
) -> Result<LogDir, Fatal> {
    let log_dir = log_dir.to_owned();
    let taking = tokio::task::spawn_blocking(move || {
        let directory_id = DirectoryId::from_uuid(Uuid::new_v4());
        LogDir::open(
            Arc::new(RealDisk),
            &log_dir,
            cluster_id,
            broker_id,
            directory_id,
        )
    });
    let taken = taking.await.map_err(|_| Fatal::TaskEnded {
        task: "taking the log directory",
    })??;
    tracing::info!(
        %cluster_id,
        directory_id = %taken.directory_id(),
        was_stopped_cleanly = taken.clean_shutdown().is_some(),
        "log directory taken"
    );
    Ok(taken)
}
