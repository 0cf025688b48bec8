//! [`Assignments`]: the metadata's word about this broker's replicas, carried out.
//!
//! Follows the image. Of what differs, deletions come first, then leaders, then followers
//! (KIP-631); a replica that cannot be opened now is tried again. It decides nothing: which
//! state is newer is for the owners to say.

mod changes;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::watch;
use trimaran_metadata::{ImageDelta, MetadataImage};
use trimaran_types::{TopicIdPartition, TopicPartition};

use crate::error_chain::error_chain;
use crate::fetcher::Fetchers;
use crate::partition::{AssignedRole, Assignment};
use crate::replicas::{CreateError, Replicas};

use changes::{Changes, changes};

/// Pause before replicas that could not be opened are tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Replicas that are opened and told at once.
const AT_ONCE: usize = 16;

/// Brings the replicas in line with each new image.
#[derive(Debug)]
pub struct Assignments {
    replicas: Arc<Replicas>,
    fetchers: Arc<Fetchers>,
    applied: Arc<MetadataImage>,
    /// Replicas that could not be opened.
    failed: BTreeSet<TopicIdPartition>,
}

impl Assignments {
    /// Nothing is applied yet; the first image is taken as a whole.
    #[must_use]
    pub fn new(replicas: Arc<Replicas>, fetchers: Arc<Fetchers>) -> Self {
        let applied = Arc::new(MetadataImage::default());
        Self {
            replicas,
            fetchers,
            applied,
            failed: BTreeSet::new(),
        }
    }

    /// Applies each image that comes, until it is dropped or no more can come.
    pub async fn run(mut self, mut images: watch::Receiver<Arc<MetadataImage>>) {
        loop {
            let image = Arc::clone(&images.borrow_and_update());
            self.apply(image).await;
            let retry = async {
                if self.failed.is_empty() {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(RETRY_PAUSE).await;
            };
            tokio::select! {
                changed = images.changed() => if changed.is_err() { return },
                () = retry => {}
                () = self.replicas.damage_found() => {}
            }
        }
    }

    /// Applies one image. The start does so before the broker asks to be unfenced.
    pub async fn apply(&mut self, image: Arc<MetadataImage>) {
        let own = self.replicas.context().broker_id;
        let delta = ImageDelta::between(&self.applied, &image);
        let mut found = changes(&delta, &self.applied, &image, own);
        // Only what this process has seen assigned and then taken away is deleted; what lay in the
        // directory before is the start's to judge.
        found.ended.iter().for_each(|id| self.fetchers.forget(*id));
        self.failed.retain(|id| !found.ended.contains(id));
        self.replicas.delete(&found.ended).await;
        let again = std::mem::take(&mut self.failed);
        found.touched.extend(again.iter().copied());
        let (leaders, others) = self.split(&found, &image);
        for group in [leaders, others] {
            let failed: Vec<_> = futures_util::stream::iter(group)
                .map(|(id, topic)| self.assign(id, topic, &image, !again.contains(&id)))
                .buffer_unordered(AT_ONCE)
                .filter_map(std::future::ready)
                .collect()
                .await;
            self.failed.extend(failed);
        }
        self.replicas.update_report(&image);
        self.applied = image;
    }

    /// Those that this broker leads, and the others.
    #[expect(clippy::type_complexity, reason = "a pair of lists of pairs")]
    fn split(
        &self,
        found: &Changes,
        image: &MetadataImage,
    ) -> (
        Vec<(TopicIdPartition, TopicPartition)>,
        Vec<(TopicIdPartition, TopicPartition)>,
    ) {
        let own = self.replicas.context().broker_id;
        let named = |id: &TopicIdPartition| {
            let topic = image.topics.get(id.topic_id)?.name.clone();
            Some((
                *id,
                TopicPartition {
                    topic,
                    partition: id.partition,
                },
            ))
        };
        found.touched.iter().filter_map(named).partition(|(id, _)| {
            image
                .partition(*id)
                .is_some_and(|state| state.leader == Some(own))
        })
    }

    /// Opens the replica if need be, tells its owner, and points the fetchers. Gives the partition
    /// back when it must be tried again; a failure is told the first time.
    async fn assign(
        &self,
        id: TopicIdPartition,
        topic: TopicPartition,
        image: &MetadataImage,
        is_first_try: bool,
    ) -> Option<TopicIdPartition> {
        let own = self.replicas.context().broker_id;
        let state = image.partition(id)?;
        let handle = match self.replicas.ensure(image, topic.clone(), id, state).await {
            Ok(handle) => handle,
            Err(error) => {
                self.fetchers.forget(id);
                // What makes it possible to go on is a change of the metadata, which comes here.
                if matches!(error, CreateError::Damaged { .. }) {
                    tracing::warn!(%error, "replica is not in service");
                    return None;
                }
                if is_first_try {
                    let error = error_chain(&error);
                    tracing::error!(error, "replica is not in service; trying again");
                }
                return Some(id);
            }
        };
        let assignment = Assignment::of(
            image,
            &topic.topic,
            state,
            own,
            &self.replicas.context().log_defaults,
        );
        let role = assignment.role;
        if !handle.assign(assignment).await {
            return None;
        }
        match role {
            AssignedRole::Follower { leader } => {
                self.fetchers.follow(handle, leader, state.leader_epoch);
            }
            AssignedRole::Leader | AssignedRole::Idle => self.fetchers.forget(id),
        }
        None
    }
}
