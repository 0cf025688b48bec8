//! [`MetadataFollower`]: the task that polls, replays, publishes and keeps the image.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use trimaran_api::client::CallError;
use trimaran_api::controller::SnapshotPointer;
use trimaran_metadata::MetadataImage;
use trimaran_types::{ClusterId, KafkaError};

use super::proven::Proven;
use super::replay::{Fork, Step, next_index, replay_page};
use super::{Checkpoint, FeedStatus, FollowerError, RemovedTopics, feed, snapshot};
use crate::controller_link::ControllerLink;

/// Pause after every controller was asked in vain.
const ROUND_PAUSE: Duration = Duration::from_millis(100);
/// Pause after a controller that lags behind this broker.
const BEHIND_PAUSE: Duration = Duration::from_millis(50);
/// Controllers that lag behind this broker, one after the other, before it says so: one may be
/// starting, but some controller has everything that was ever committed.
const BEHIND_MAX: usize = 60;
/// How often a changed image is kept, at most; a restart replays what came after.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(5);

/// What a follower starts from.
#[derive(Debug)]
pub struct FollowerStart {
    /// The controllers.
    pub link: Arc<ControllerLink>,
    /// The cluster of the log directory; absent on an empty one, which joins whom it asks.
    pub cluster_id: Option<ClusterId>,
    /// Where the image is kept.
    pub checkpoint: Checkpoint,
    /// Ends the task.
    pub stop: CancellationToken,
}

/// Follows the metadata log of one cluster.
#[derive(Debug)]
pub struct MetadataFollower {
    start: FollowerStart,
    image: watch::Sender<Arc<MetadataImage>>,
    status: watch::Sender<FeedStatus>,
    /// What was committed when the first answer came.
    catch_up_to: Option<u64>,
    failures: usize,
    behind: usize,
    proven: Proven,
    /// The last fork that was told to the log.
    told: Option<Fork>,
    kept_index: u64,
    keep_after: Instant,
    keeping: Option<JoinHandle<()>>,
    removed: RemovedTopics,
}

impl MetadataFollower {
    /// Reads the kept image, if there is one; [`MetadataFollower::run`] then follows the log.
    pub async fn open(start: FollowerStart) -> Self {
        let image = match start.cluster_id {
            Some(cluster_id) => kept_image(&start.checkpoint, cluster_id).await,
            None => MetadataImage::default(),
        };
        let kept_index = image.position.index;
        let status = FeedStatus {
            cluster_id: start.cluster_id,
            ..FeedStatus::default()
        };
        Self {
            start,
            image: watch::Sender::new(Arc::new(image)),
            status: watch::Sender::new(status),
            catch_up_to: None,
            failures: 0,
            behind: 0,
            proven: Proven::default(),
            told: None,
            kept_index,
            keep_after: Instant::now() + CHECKPOINT_INTERVAL,
            keeping: None,
            removed: RemovedTopics::default(),
        }
    }

    /// The newest image, always.
    #[must_use]
    pub fn image(&self) -> watch::Receiver<Arc<MetadataImage>> {
        self.image.subscribe()
    }

    /// What is removed by entries that come from now on. No image is kept until that is
    /// [done](RemovedTopics::done) with.
    #[must_use]
    pub fn watch_removals(&self) -> RemovedTopics {
        self.removed.watched()
    }

    /// How the follower stands.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<FeedStatus> {
        self.status.subscribe()
    }

    /// Follows the log until it is stopped, then keeps the image a last time.
    ///
    /// # Errors
    /// When the controllers belong to another cluster.
    pub async fn run(mut self) -> Result<(), FollowerError> {
        let stop = self.start.stop.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                polled = self.poll() => polled?,
            }
            self.keep_if_due();
        }
        if let Some(keeping) = self.keeping.take() {
            let _ = keeping.await;
        }
        if let Some(last) = self.begin_keeping() {
            let _ = last.await;
        }
        Ok(())
    }

    fn current(&self) -> Arc<MetadataImage> {
        Arc::clone(&self.image.borrow())
    }

    fn cluster_id(&self) -> Option<ClusterId> {
        self.status.borrow().cluster_id
    }

    async fn poll(&mut self) -> Result<(), FollowerError> {
        let image = self.current();
        let poll = if self.status.borrow().is_caught_up {
            feed::Poll::Long
        } else {
            feed::Poll::Now
        };
        let from = self.proven.first_index(&image, &self.start.link.address());
        let asked = feed::page(&self.start.link, self.cluster_id(), from, poll).await;
        let feed::Page { address, page } = match asked {
            Ok(page) => page,
            Err(error) => return self.failed(&error).await,
        };
        self.check_cluster(&address, page.cluster_id)?;
        if !self.proven.may_replay(&image, &address, from) {
            return Ok(());
        }
        let step = replay_page(&image, &page);
        // The end of a history that is not followed is never reached.
        if !matches!(step, Ok(Step::Forked(_))) {
            self.catch_up_to.get_or_insert(page.applied_end);
        }
        match step {
            Ok(Step::Idle) => self.answered(&address, page.applied_end, None),
            Ok(Step::Advanced(image)) => {
                // Before the image is shown that lacks them.
                self.removed.note(&page);
                self.answered(&address, page.applied_end, Some(*image));
            }
            Ok(Step::LoadSnapshot(pointer)) => {
                return self.load(&address, &pointer, page.applied_end).await;
            }
            Ok(Step::Behind) => self.behind(&address, page.applied_end).await,
            Ok(Step::Forked(fork)) => self.forked(&address, fork).await,
            Err(error) => {
                let cause = error.to_string();
                self.start.link.failed(&address);
                return self.failed(&CallError::Unreadable { address, cause }).await;
            }
        }
        Ok(())
    }

    fn check_cluster(&self, address: &str, theirs: ClusterId) -> Result<(), FollowerError> {
        match self.cluster_id() {
            Some(ours) if ours != theirs => Err(FollowerError::ForeignCluster {
                address: address.to_owned(),
                ours,
                theirs,
            }),
            Some(_) => Ok(()),
            None => {
                self.status
                    .send_modify(|status| status.cluster_id = Some(theirs));
                Ok(())
            }
        }
    }

    fn answered(&mut self, address: &str, applied_end: u64, newer: Option<MetadataImage>) {
        if let Some(image) = newer {
            self.image.send_replace(Arc::new(image));
        }
        if self.failures >= self.start.link.bootstrap().len() {
            tracing::info!("controllers answer again");
        }
        self.failures = 0;
        self.behind = 0;
        self.proven.prove(address);
        let position = next_index(&self.image.borrow());
        let is_caught_up = self.catch_up_to.is_some_and(|end| position >= end);
        self.status.send_if_modified(|status| {
            let old = status.clone();
            status.applied_end = applied_end;
            status.is_caught_up |= is_caught_up;
            status.problem = None;
            *status != old
        });
    }

    /// Takes note of a failure; says so once when every controller has failed.
    async fn failed(&mut self, error: &CallError) -> Result<(), FollowerError> {
        if let CallError::Refused(refusal) = error
            && refusal.body.kafka_error == Some(KafkaError::InconsistentClusterId)
        {
            let message = refusal.body.message.clone();
            return Err(FollowerError::Refused { message });
        }
        tracing::debug!(%error, "no metadata feed");
        self.proven.forget();
        self.failures = self.failures.saturating_add(1);
        let controllers = self.start.link.bootstrap().len();
        if self.failures == controllers {
            let problem = format!("no controller answers: {error}");
            let asked = self.start.link.bootstrap().join(", ");
            tracing::warn!(controllers = asked, %error, "waiting for a controller to answer");
            self.status
                .send_modify(|status| status.problem = Some(problem));
        }
        if self.failures >= controllers {
            tokio::time::sleep(ROUND_PAUSE).await;
        }
        Ok(())
    }

    /// A controller that has less than this broker is left for another one.
    async fn behind(&mut self, address: &str, applied_end: u64) {
        tracing::debug!(address, applied_end, "controller lags behind");
        self.behind = self.behind.saturating_add(1);
        if self.behind == BEHIND_MAX {
            let index = self.current().position.index;
            let problem = format!(
                "the controllers have less metadata than this broker, which is at entry {index}, the \
                 one at {address} is at {applied_end}; a controller may have lost synced data"
            );
            tracing::error!("{problem}");
            self.status
                .send_modify(|status| status.problem = Some(problem));
        }
        self.start.link.failed(address);
        tokio::time::sleep(BEHIND_PAUSE).await;
    }

    /// A controller of another history is not followed. When the quorum goes on with that history,
    /// a broker that has opened nothing yet takes it from the start. One that serves must not: what
    /// the other history does not mention would be taken for deleted.
    async fn forked(&mut self, address: &str, fork: Fork) {
        let is_theirs_newer = fork.is_theirs_newer();
        let begins_anew = is_theirs_newer && !self.status.borrow().is_caught_up;
        let then = match (begins_anew, is_theirs_newer) {
            (true, _) => "what was kept is left aside, and the controllers' history loaded",
            (false, true) => "restart this broker to load theirs; what it does not explain is kept",
            (false, false) => "another controller is asked; restart or repair that one",
        };
        let problem = format!(
            "the controller at {address} has another metadata history than this broker: {fork}; a \
             controller has lost synced data; {then}"
        );
        if self.told.as_ref() != Some(&fork) {
            tracing::error!("{problem}");
            self.told = Some(fork);
        }
        self.proven.forget();
        // What another history has come to says nothing of this one's end.
        self.catch_up_to = None;
        if begins_anew {
            self.image.send_replace(Arc::default());
            return;
        }
        self.status.send_if_modified(|status| {
            let old = status.clone();
            if is_theirs_newer && status.other_history.is_none() {
                status.other_history = Some(problem.clone());
            }
            status.problem = Some(problem);
            *status != old
        });
        self.start.link.failed(address);
        tokio::time::sleep(ROUND_PAUSE).await;
    }

    async fn load(
        &mut self,
        address: &str,
        pointer: &SnapshotPointer,
        applied_end: u64,
    ) -> Result<(), FollowerError> {
        let Some(cluster_id) = self.cluster_id() else {
            return Ok(());
        };
        tracing::info!(
            address,
            index = pointer.index,
            "loading a metadata snapshot"
        );
        let link = &self.start.link;
        let loaded = match snapshot::load(link, cluster_id, address, pointer).await {
            Ok(loaded) => loaded,
            Err(error) => {
                link.failed(address);
                return self.failed(&error).await;
            }
        };
        self.check_cluster(address, loaded.cluster_id)?;
        if loaded.image.position.index > self.current().position.index {
            self.answered(address, applied_end, Some(loaded.image));
        }
        Ok(())
    }

    fn keep_if_due(&mut self) {
        if self.keeping.as_ref().is_some_and(JoinHandle::is_finished) {
            self.keeping = None;
        }
        if self.keeping.is_none() && Instant::now() >= self.keep_after {
            self.keeping = self.begin_keeping();
            self.keep_after = Instant::now() + CHECKPOINT_INTERVAL;
        }
    }

    /// Writes the image in the background, unless the newest one is kept already, or somebody must see
    /// again what was removed if this start does not come to its end.
    fn begin_keeping(&mut self) -> Option<JoinHandle<()>> {
        let cluster_id = self.cluster_id()?;
        let image = self.current();
        if image.position.index == self.kept_index || self.removed.is_wanted() {
            return None;
        }
        self.kept_index = image.position.index;
        let checkpoint = self.start.checkpoint.clone();
        Some(tokio::task::spawn_blocking(move || {
            if let Err(error) = checkpoint.save(cluster_id, &image) {
                tracing::warn!(?error, "the metadata image was not kept");
            }
        }))
    }
}

async fn kept_image(checkpoint: &Checkpoint, cluster_id: ClusterId) -> MetadataImage {
    let checkpoint = checkpoint.clone();
    let loaded = tokio::task::spawn_blocking(move || checkpoint.load(cluster_id)).await;
    match loaded {
        Ok(Ok(Some(image))) => {
            tracing::info!(index = image.position.index, "metadata image found on disk");
            image
        }
        Ok(Ok(None)) | Err(_) => MetadataImage::default(),
        Ok(Err(error)) => {
            tracing::warn!(
                ?error,
                "the kept metadata image is left aside and fetched anew"
            );
            MetadataImage::default()
        }
    }
}
