//! Replicas whose end is committed: the topic was deleted, or the replica moved elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use trimaran_commit_log::Aside;
use trimaran_types::{DirectoryId, TopicIdPartition, TopicPartition};

use super::Replicas;
use crate::partition::{Closing, PartitionHandle};

impl Replicas {
    /// Ends replicas and renames their logs out of the way, so that a topic of the same name may
    /// follow; the bytes go in the background. Call it only for what a committed record has ended.
    pub async fn delete(self: &Arc<Self>, partitions: &[TopicIdPartition]) {
        partitions.iter().for_each(|id| self.not_made.forget(*id));
        let handles: Vec<PartitionHandle> = partitions
            .iter()
            .filter_map(|partition| self.table.remove(*partition))
            .collect();
        let mut ended: BTreeMap<DirectoryId, Vec<TopicPartition>> = BTreeMap::new();
        for handle in &handles {
            let topics = ended.entry(handle.directory_id()).or_default();
            topics.push(handle.topic().clone());
        }
        for waiting in partitions.iter().filter_map(|id| self.unopened.forget(*id)) {
            ended.entry(waiting.place).or_default().push(waiting.topic);
        }
        // What a person may still want to look at is kept, but nobody counts on it any more.
        let damaged: Vec<TopicPartition> = partitions
            .iter()
            .filter_map(|partition| self.table.unmark_damaged(*partition))
            .collect();
        if ended.is_empty() && damaged.is_empty() {
            return;
        }
        for handle in handles {
            if let Err(cause) = handle.close(Closing::Discard).await {
                tracing::warn!(partition = %handle.topic(), cause, "ending a deleted replica");
            }
        }
        let replicas = Arc::clone(self);
        let renamed = tokio::task::spawn_blocking(move || {
            let has_damaged = !damaged.is_empty();
            let mut result = Ok(());
            for dir in replicas.dirs.iter().filter(|dir| !dir.has_failed()) {
                let topics = ended.remove(&dir.id()).unwrap_or_default();
                tracing::info!(partitions = topics.len(), "deleting replicas");
                // Where a damaged one lies is not remembered; where it is not, nothing happens.
                let aside = dir
                    .dir
                    .set_aside(&topics, Aside::Delete)
                    .and_then(|_| dir.dir.set_aside(&damaged, Aside::Stray));
                result = result.and(aside.map(drop));
            }
            if has_damaged {
                replicas.count_strays();
            }
            result
        });
        match renamed.await {
            Ok(Ok(())) => self.remove_deleted(),
            Ok(Err(error)) => tracing::error!(%error, "deleted replicas stay in their place"),
            Err(error) => tracing::error!(%error, "deleting replicas broke off"),
        }
    }

    /// Removes what was renamed as deleted, by this run or the last one, in the background.
    pub fn remove_deleted(self: &Arc<Self>) {
        let replicas = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            for dir in replicas.dirs.iter().filter(|dir| !dir.has_failed()) {
                match dir.dir.remove_deleted() {
                    Ok(0) => {}
                    Ok(removed) => tracing::info!(removed, "deleted replicas are gone"),
                    Err(error) => tracing::warn!(%error, "deleted replicas still take room"),
                }
            }
        });
    }
}
