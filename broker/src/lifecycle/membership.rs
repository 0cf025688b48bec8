//! Becoming a member: the metadata log, the log directory, the registration.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use trimaran_api::client::http_client;
use trimaran_commit_log::LogDir;
use trimaran_metadata::MetadataImage;
use trimaran_types::{BrokerEpoch, ClusterId, DirectoryId, IncarnationId};
use uuid::Uuid;

use super::Fatal;
use super::directory::{self, Taken};
use super::listeners::Addresses;
use super::tasks::Tasks;
use crate::config::BrokerConfig;
use crate::controller_link::ControllerLink;
use crate::metadata_follower::{
    Checkpoint, FeedStatus, FollowerStart, MetadataFollower, RemovedTopics,
};
use crate::readiness::{Phase, Readiness};
use crate::session::{
    BrokerIdentity, DamageReport, Lease, Session, SessionStart, SessionState, SessionWants,
    register,
};

/// For connections between nodes: on a network that works, they open at once.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// A broker that is registered, and fenced until it asks for service.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) cluster_id: ClusterId,
    pub(super) http: reqwest::Client,
    pub(super) taken: Taken,
    pub(super) image: watch::Receiver<Arc<MetadataImage>>,
    /// What the metadata log removed while the broker catches up.
    pub(super) removed: RemovedTopics,
    pub(super) feed: watch::Receiver<FeedStatus>,
    pub(super) state: watch::Receiver<SessionState>,
    pub(super) wants: watch::Sender<SessionWants>,
    pub(super) lease: watch::Receiver<Option<Lease>>,
    pub(super) offline_directories: watch::Sender<Vec<DirectoryId>>,
    /// What the heartbeats say of single replicas.
    pub(super) damage: watch::Sender<Arc<DamageReport>>,
}

/// Joins the cluster that the controllers belong to; waits for them as long as it takes.
pub(super) async fn join(
    config: &BrokerConfig,
    addresses: Addresses,
    readiness: &Arc<Readiness>,
    tasks: &Tasks,
    stop: &CancellationToken,
) -> Result<Member, Fatal> {
    let http = http_client(CONNECT_TIMEOUT).map_err(|error| Fatal::System {
        what: "an HTTP client",
        cause: std::io::Error::other(error),
    })?;
    let link = Arc::new(ControllerLink::new(
        http.clone(),
        config.controllers.clone(),
    ));
    let log_dirs = &config.logs.dirs;
    let owner = directory::owner(log_dirs)?;
    // A directory that has an owner is locked before anything in it is touched.
    let journal = config.logs.journal;
    let take = |cluster_id| directory::take(log_dirs, cluster_id, config.broker_id, journal);
    let taken = match owner {
        Some(cluster_id) => Some(take(cluster_id).await?),
        None => None,
    };
    let follower = MetadataFollower::open(FollowerStart {
        link: Arc::clone(&link),
        cluster_id: owner,
        checkpoint: Checkpoint::in_log_dir(&log_dirs[0]),
        stop: stop.clone(),
    })
    .await;
    let (image, mut feed) = (follower.image(), follower.status());
    let removed = follower.watch_removals();
    tasks.run("metadata follower", stop, follower.run());
    tell_other_history(readiness, feed.clone(), tasks, stop);
    let cluster_id = caught_up(&mut feed, readiness).await?;
    let taken = match taken {
        Some(taken) => taken,
        None => take(cluster_id).await?,
    };
    readiness.reached(Phase::Registering);
    let identity = identity(config, addresses, &taken);
    let patience = config.session.registration_timeout;
    let registered = register(&link, &identity, Some(cluster_id), patience).await?;
    tracing::info!(epoch = %registered.broker_epoch, "registered");
    let (offline_directories, reported) = watch::channel(Vec::new());
    let (damage, damage_reported) = watch::channel(Arc::default());
    let session = Session::new(SessionStart {
        link,
        identity,
        cluster_id,
        state: SessionState::registered(registered.broker_epoch),
        image: image.clone(),
        offline_directories: reported,
        damage: damage_reported,
        config: config.session.clone(),
        lag_time_max: config.replication.lag_time_max,
        stop: stop.clone(),
    });
    let (state, wants, lease) = (session.state(), session.wants(), session.lease());
    tasks.run("session", stop, session.run());
    Ok(Member {
        cluster_id,
        http,
        taken,
        image,
        removed,
        feed,
        state,
        wants,
        lease,
        offline_directories,
        damage,
    })
}

/// Lets the readiness page say that the controllers go on with another history.
fn tell_other_history(
    readiness: &Arc<Readiness>,
    mut feed: watch::Receiver<FeedStatus>,
    tasks: &Tasks,
    stop: &CancellationToken,
) {
    let readiness = Arc::clone(readiness);
    tasks.run_forever("metadata history", stop, async move {
        let told = feed.wait_for(|status| status.other_history.is_some());
        if let Ok(told) = told.await
            && let Some(problem) = told.other_history.clone()
        {
            readiness.failed(problem);
        }
        std::future::pending::<()>().await;
    });
}

/// Waits until everything is replayed that was committed when the first controller answered.
async fn caught_up(
    feed: &mut watch::Receiver<FeedStatus>,
    readiness: &Readiness,
) -> Result<ClusterId, Fatal> {
    loop {
        let status = feed.borrow_and_update().clone();
        if let (true, Some(cluster_id)) = (status.is_caught_up, status.cluster_id) {
            return Ok(cluster_id);
        }
        readiness.reached(Phase::Metadata {
            problem: status.problem,
        });
        // The follower ends before it has caught up only when it fails, and then says why itself.
        if feed.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn identity(config: &BrokerConfig, addresses: Addresses, taken: &Taken) -> BrokerIdentity {
    // Only a stop that was clean everywhere counts, and only as one (KIP-966).
    let mut marks = taken
        .dirs
        .iter()
        .map(|dir| dir.clean_shutdown().and_then(|mark| mark.broker_epoch));
    let first = marks.next().flatten();
    let is_whole = taken.unusable.is_empty() && marks.all(|mark| mark == first);
    BrokerIdentity {
        broker_id: config.broker_id,
        incarnation_id: IncarnationId::from_uuid(Uuid::new_v4()),
        client_address: addresses.client,
        inter_node_address: addresses.inter_node,
        rack: config.rack.clone(),
        directories: taken.dirs.iter().map(LogDir::directory_id).collect(),
        previous_broker_epoch: first.filter(|_| is_whole),
    }
}

/// Waits until the image shows this broker under the epoch in force: from then on it knows whether
/// its restart was unclean, and every later change that concerns it.
pub(super) async fn own_registration(
    config: &BrokerConfig,
    image: &watch::Receiver<Arc<MetadataImage>>,
    state: &watch::Receiver<SessionState>,
) -> Result<Arc<MetadataImage>, Fatal> {
    let (mut image, state) = (image.clone(), state.clone());
    let shows = |image: &Arc<MetadataImage>| {
        let epoch: BrokerEpoch = state.borrow().broker_epoch;
        let own = image.brokers.get(config.broker_id);
        own.is_some_and(|own| own.broker_epoch >= epoch)
    };
    let found = image.wait_for(shows).await.map(|image| Arc::clone(&image));
    found.map_err(|_| Fatal::TaskEnded {
        task: "metadata follower",
    })
}
