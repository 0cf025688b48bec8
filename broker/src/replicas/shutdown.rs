//! The end: logs are closed, checkpoints written, and the directories marked last of all.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::StreamExt as _;
use trimaran_types::DirectoryId;

use super::Replicas;
use crate::partition::Closing;

/// Logs that are closed at once; each may sync.
const CLOSED_AT_ONCE: usize = 16;

impl Replicas {
    /// Closes every replica and marks the directories as cleanly shut down whose logs are all
    /// durable. Fetchers and assignments must have been stopped. Tells whether all were marked.
    pub async fn shutdown(self: &Arc<Self>) -> bool {
        let unclosed: BTreeSet<DirectoryId> = futures_util::stream::iter(self.table.all())
            .map(|handle| async move {
                let cause = handle.close(Closing::Clean).await.err()?;
                tracing::error!(partition = %handle.topic(), cause, "a log was not closed");
                Some(handle.directory_id())
            })
            .buffer_unordered(CLOSED_AT_ONCE)
            .filter_map(std::future::ready)
            .collect()
            .await;
        let replicas = Arc::clone(self);
        let marking = tokio::task::spawn_blocking(move || {
            replicas.checkpoint_now(true);
            // A damaged log is in one of them; which one is not remembered.
            let is_sound = !replicas.table.has_damaged();
            let epoch = replicas.context.current_broker_epoch();
            let mut all_marked = true;
            for dir in replicas.dirs.iter() {
                let path = dir.dir.data_dir().display();
                let is_whole = is_sound && !replicas.unopened.has_some_in(dir.id());
                if !is_whole || unclosed.contains(&dir.id()) {
                    tracing::warn!(%path, "a directory is not marked as cleanly shut down");
                    all_marked = false;
                } else if let Err(error) = dir.dir.mark_clean_shutdown(epoch) {
                    tracing::error!(%path, %error, "a directory is not marked as cleanly shut down");
                    all_marked = false;
                }
            }
            all_marked
        });
        marking.await.unwrap_or(false)
    }
}
