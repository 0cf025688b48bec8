//! A failed log directory: its replicas go out of service, and the heartbeat says so. Those of the
//! other directories go on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::Replicas;
use crate::partition::Event;

/// How soon a failure is seen that no append or flush has run into.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Replicas {
    /// Waits for directories to fail and takes their replicas out of service then. A replica that
    /// meets the failure itself does so at once; this is for the others. Runs until dropped.
    pub async fn watch_directories(self: Arc<Self>) {
        let mut known = BTreeSet::new();
        loop {
            let failed = self.dirs.iter().filter(|dir| dir.has_failed());
            let failed: BTreeSet<_> = failed.map(super::DataDir::id).collect();
            if failed != known {
                // The controllers first: they elect others while the replicas here are told.
                self.failed_dirs
                    .send_replace(failed.iter().copied().collect());
                for handle in self.table.all() {
                    let id = handle.directory_id();
                    if failed.contains(&id) && !known.contains(&id) {
                        handle.send(Event::DirFailed).await;
                    }
                }
                known = failed;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
