//! The end: logs are closed, checkpoints written, and the directory marked last of all.

use std::sync::Arc;

use futures_util::StreamExt as _;

use super::Replicas;
use crate::partition::Closing;

/// Logs that are closed at once; each may sync.
const CLOSED_AT_ONCE: usize = 16;

impl Replicas {
    /// Closes every replica and, when all of them are durable, marks the directory as cleanly shut
    /// down. Fetchers and assignments must have been stopped. Tells whether it was marked.
    pub async fn shutdown(self: &Arc<Self>) -> bool {
        let handles = self.table.all();
        let total = handles.len();
        let closed = futures_util::stream::iter(handles)
            .map(|handle| async move {
                let result = handle.close(Closing::Clean).await;
                result.map_err(|cause| {
                    tracing::error!(partition = %handle.topic(), cause, "a log was not closed");
                })
            })
            .buffer_unordered(CLOSED_AT_ONCE)
            .filter(|result| std::future::ready(result.is_ok()))
            .count()
            .await;
        let replicas = Arc::clone(self);
        let marking = tokio::task::spawn_blocking(move || {
            replicas.checkpoint_now(true);
            if closed < total || replicas.table.has_damaged() {
                tracing::warn!(
                    closed,
                    total,
                    "the directory is not marked as cleanly shut down"
                );
                return false;
            }
            let marked = replicas
                .dir
                .mark_clean_shutdown(replicas.context.current_broker_epoch());
            if let Err(error) = &marked {
                tracing::error!(%error, "the directory is not marked as cleanly shut down");
            }
            marked.is_ok()
        });
        marking.await.unwrap_or(false)
    }
}
