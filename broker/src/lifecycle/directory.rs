//! The log directories: whose they are, and taking them.
//!
//! One that the system refuses is left out while another can be taken. One that is somebody else's
//! ends the start: that is an operator's mistake, which only the operator can put right.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use trimaran_commit_log::{Disk, JournalLimits, LogDir, LogDirError, MetaProperties, RealDisk};
use trimaran_types::{BrokerId, ClusterId, DirectoryId};
use uuid::Uuid;

use super::Fatal;

/// The directories that can be used, and why the others cannot.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) dirs: Vec<LogDir>,
    pub(super) unusable: Vec<(PathBuf, String)>,
}

/// The cluster that the directories belong to; `None` when they belong to nobody yet.
pub(super) fn owner(log_dirs: &[PathBuf]) -> Result<Option<ClusterId>, Fatal> {
    let mut first: Option<ClusterId> = None;
    let mut refused = None;
    for log_dir in log_dirs {
        match owner_of(log_dir) {
            Ok(None) => {}
            Ok(Some(found)) => {
                let expected = *first.get_or_insert(found);
                if expected != found {
                    return Err(Fatal::Directory(LogDirError::OtherCluster {
                        data_dir: log_dir.clone(),
                        found,
                        expected,
                    }));
                }
            }
            // Taking it will tell again.
            Err(error @ LogDirError::Io { .. }) => refused = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    match (first, refused) {
        (None, Some(error)) if log_dirs.len() == 1 => Err(error.into()),
        (first, _) => Ok(first),
    }
}

fn owner_of(log_dir: &Path) -> Result<Option<ClusterId>, LogDirError> {
    let disk = RealDisk;
    disk.create_dir(log_dir).map_err(|source| LogDirError::Io {
        path: log_dir.to_owned(),
        source,
    })?;
    Ok(MetaProperties::read(&disk, log_dir)?.map(|meta| meta.cluster_id))
}

/// Takes the directories for this broker; an empty one becomes its own.
pub(super) async fn take(
    log_dirs: &[PathBuf],
    cluster_id: ClusterId,
    broker_id: BrokerId,
    journal: Option<JournalLimits>,
) -> Result<Taken, Fatal> {
    let log_dirs = log_dirs.to_owned();
    let taking =
        tokio::task::spawn_blocking(move || take_all(&log_dirs, cluster_id, broker_id, journal));
    let taken = taking.await.map_err(|_| Fatal::TaskEnded {
        task: "taking the log directories",
    })??;
    for dir in &taken.dirs {
        tracing::info!(
            %cluster_id,
            path = %dir.data_dir().display(),
            directory_id = %dir.directory_id(),
            was_stopped_cleanly = dir.clean_shutdown().is_some(),
            "log directory taken"
        );
    }
    Ok(taken)
}

fn take_all(
    log_dirs: &[PathBuf],
    cluster_id: ClusterId,
    broker_id: BrokerId,
    journal: Option<JournalLimits>,
) -> Result<Taken, LogDirError> {
    let mut taken = Taken::default();
    for log_dir in log_dirs {
        let directory_id = DirectoryId::from_uuid(Uuid::new_v4());
        let disk = Arc::new(RealDisk);
        let opened = LogDir::open(disk, log_dir, cluster_id, broker_id, directory_id);
        let opened = opened.and_then(|mut dir| {
            if let Some(limits) = journal {
                dir.use_journal(limits)?;
            }
            Ok(dir)
        });
        match opened {
            Ok(dir) => taken.dirs.push(dir),
            Err(error @ LogDirError::Io { .. }) if log_dirs.len() > 1 => {
                let cause = std::error::Error::source(&error);
                let cause =
                    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
                tracing::error!(path = %log_dir.display(), cause, "a log directory is left out");
                if taken.unusable.len() + 1 == log_dirs.len() {
                    return Err(error);
                }
                taken.unusable.push((log_dir.clone(), cause));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(taken)
}
