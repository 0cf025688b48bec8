//! A failed log directory: all its replicas go out of service, and the heartbeat says so.

use std::sync::Arc;
use std::time::Duration;

use super::Replicas;
use crate::partition::Event;

/// How soon a failure is seen that no append or flush has run into.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Replicas {
    /// Waits for the directory to fail and takes every replica out of service then. A replica that
    /// meets the failure itself does so at once; this is for the others. Runs until dropped.
    pub async fn watch_directory(self: Arc<Self>) {
        let latch = Arc::clone(&self.dir.context().latch);
        while latch.failure().is_none() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.dir_failed.send_replace(true);
        for handle in self.table.all() {
            handle.send(Event::DirFailed).await;
        }
    }
}
