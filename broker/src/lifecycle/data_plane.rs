//! The data plane: logs opened, replicas assigned, the tasks that keep them going.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use trimaran_api::client::Controllers;
use trimaran_metadata::MetadataImage;
use trimaran_types::{BrokerEpoch, DirectoryId, TopicId};

use super::Fatal;
use super::directory::Taken;
use super::membership::Member;
use super::tasks::Tasks;
use crate::assignments::Assignments;
use crate::config::BrokerConfig;
use crate::context::BrokerContext;
use crate::fetcher::Fetchers;
use crate::isr_changes::IsrWorker;
use crate::log_cleaner::LogCleaner;
use crate::log_scrub::LogScrub;
use crate::log_upkeep::LogUpkeep;
use crate::readiness::{OutOfService, Phase, Readiness};
use crate::replicas::{DataDirs, Replicas};
use crate::session::{DamageReport, SessionState};

/// What must be ended in order.
#[derive(Debug)]
pub(super) struct DataPlane {
    pub(super) replicas: Arc<Replicas>,
    pub(super) fetchers: Arc<Fetchers>,
    pub(super) log_cleaner: Arc<LogCleaner>,
    pub(super) log_scrub: Arc<LogScrub>,
    pub(super) controllers: Arc<Controllers>,
    pub(super) http: reqwest::Client,
    /// Ends the tasks that change replicas.
    pub(super) stop: CancellationToken,
}

/// Opens the logs that `image` assigns to this broker and brings them in line with it.
pub(super) async fn open(
    config: &BrokerConfig,
    member: Member,
    image: Arc<MetadataImage>,
    readiness: &Arc<Readiness>,
    tasks: &Tasks,
) -> Result<DataPlane, Fatal> {
    let stop = CancellationToken::new();
    let controllers = Controllers::new(member.http.clone(), config.controllers.clone());
    let context = BrokerContext {
        broker_id: config.broker_id,
        cluster_id: member.cluster_id,
        broker_epoch: epochs(&member.state, tasks, &stop),
        http: member.http.clone(),
        controllers: Arc::new(controllers),
        image: member.image.clone(),
        lease: member.lease.clone(),
        replication: config.replication.clone(),
        log_defaults: Arc::new(config.logs.log_defaults()),
    };
    let Taken { dirs, unusable } = member.taken;
    let dirs = DataDirs::new(dirs, unusable).map_err(|cause| Fatal::System {
        what: "threads for the flushers",
        cause,
    })?;
    let replicas = Replicas::new(context.clone(), dirs, config.logs.recovery_threads);
    recover(&replicas, (&image, &member.removed.so_far()), readiness).await?;
    member.removed.done();
    let observed = Arc::clone(&replicas);
    readiness.ask_for_replicas(move || OutOfService {
        names: observed.out_of_service(),
        reasons: observed.out_of_service_reasons(),
        lacking_room: observed.lacking_room(),
        strays_kept: observed.strays_kept(),
    });
    let observed = Arc::clone(&replicas);
    readiness.ask_for_dirs(move || observed.dir_statuses());
    replicas.remove_deleted();
    let fetchers = Arc::new(Fetchers::new(context.clone()));
    let mut assignments = Assignments::new(Arc::clone(&replicas), Arc::clone(&fetchers));
    assignments.apply(image).await;
    report_damage(&replicas, member.damage, tasks, &stop);
    tasks.run_forever("assignments", &stop, assignments.run(member.image.clone()));
    tasks.run_forever("replicas", &stop, Arc::clone(&replicas).watch_replicas());
    keep_logs(config, &context, &replicas, tasks, &stop);
    let told = tell_of_failures(
        Arc::clone(&replicas),
        member.offline_directories,
        Arc::clone(readiness),
    );
    tasks.run_forever("failed directories", &stop, told);
    let (log_cleaner, log_scrub) = start_threads(config, &replicas)?;
    Ok(DataPlane {
        replicas,
        fetchers,
        log_cleaner,
        log_scrub,
        controllers: context.controllers,
        http: context.http,
        stop,
    })
}

/// Starts what works on the logs in threads of its own.
fn start_threads(
    config: &BrokerConfig,
    replicas: &Arc<Replicas>,
) -> Result<(Arc<LogCleaner>, Arc<LogScrub>), Fatal> {
    let failed = |what| move |cause| Fatal::System { what, cause };
    let cleaner = LogCleaner::start(Arc::clone(replicas), config.log_cleaner.clone());
    let scrub = LogScrub::start(
        Arc::clone(replicas),
        config.log_scrub.clone(),
        config.logs.initial_task_delay,
        rand::random(),
    );
    Ok((
        cleaner.map_err(failed("threads for the log cleaner"))?,
        scrub.map_err(failed("a thread for the log scrub"))?,
    ))
}

/// Starts what goes on for as long as there are logs: ISR changes, checkpoints, upkeep.
fn keep_logs(
    config: &BrokerConfig,
    context: &BrokerContext,
    replicas: &Arc<Replicas>,
    tasks: &Tasks,
    stop: &CancellationToken,
) {
    let worker = IsrWorker::new(
        context.clone(),
        replicas.isr_changes().clone(),
        Arc::clone(replicas.table()),
    );
    tasks.run_forever("isr changes", stop, worker.run());
    let checkpoints = Arc::clone(replicas).write_checkpoints();
    tasks.run_forever("checkpoints", stop, checkpoints);
    let flushed_ends = Arc::clone(replicas).sync_flushed_ends();
    tasks.run_forever("flushed ends", stop, flushed_ends);
    let logs = &config.logs;
    let upkeep = LogUpkeep::new(
        Arc::clone(replicas),
        logs.initial_task_delay,
        logs.retention_check_interval,
    );
    tasks.run_forever("log upkeep", stop, upkeep.run());
    let directories = Arc::clone(replicas).watch_directories();
    tasks.run_forever("log directories", stop, directories);
    let room = Arc::clone(replicas).watch_room();
    tasks.run_forever("room on the disks", stop, room);
}

/// Tells the controllers, by heartbeat, which directories have failed; without one, the broker is
/// of no use to clients.
async fn tell_of_failures(
    replicas: Arc<Replicas>,
    offline: watch::Sender<Vec<DirectoryId>>,
    readiness: Arc<Readiness>,
) {
    let mut failed = replicas.failed_dirs();
    while failed.changed().await.is_ok() {
        let now = failed.borrow_and_update().clone();
        tracing::error!(failed = ?now, "log directories have failed; their replicas are out of service");
        if replicas.dirs().have_all_failed() {
            readiness.failed("no log directory is left".to_owned());
        }
        offline.send_replace(now);
    }
    // The replicas hold the sender.
    std::future::pending::<()>().await;
}

/// Hands what the replicas report on to the heartbeats: what the start has found at once, so that
/// the controllers hear of it no later than that the broker asks for service.
fn report_damage(
    replicas: &Replicas,
    told: watch::Sender<Arc<DamageReport>>,
    tasks: &Tasks,
    stop: &CancellationToken,
) {
    let mut reports = replicas.reports();
    told.send_replace(Arc::clone(&reports.borrow_and_update()));
    tasks.run_forever("damage reports", stop, async move {
        while reports.changed().await.is_ok() {
            told.send_replace(Arc::clone(&reports.borrow_and_update()));
        }
        // The replicas are gone, so the broker is ending.
        std::future::pending::<()>().await;
    });
}

/// The epoch in force, as the data plane wants it.
fn epochs(
    state: &watch::Receiver<SessionState>,
    tasks: &Tasks,
    stop: &CancellationToken,
) -> watch::Receiver<Option<BrokerEpoch>> {
    let mut state = state.clone();
    let first = Some(state.borrow_and_update().broker_epoch);
    let (epochs, heard) = watch::channel(first);
    tasks.run_forever("broker epoch", stop, async move {
        while state.changed().await.is_ok() {
            let epoch = Some(state.borrow_and_update().broker_epoch);
            epochs.send_if_modified(|known| std::mem::replace(known, epoch) != epoch);
        }
        // The session has ended, so the broker does, too.
        std::future::pending::<()>().await;
    });
    heard
}

async fn recover(
    replicas: &Arc<Replicas>,
    (image, removed): (&MetadataImage, &BTreeSet<TopicId>),
    readiness: &Readiness,
) -> Result<(), Fatal> {
    let mut progress = replicas.open_progress();
    readiness.reached(Phase::Recovering { done: 0, total: 0 });
    let opening = replicas.open_all(image, removed);
    tokio::pin!(opening);
    loop {
        tokio::select! {
            opened = &mut opening => {
                opened?;
                return Ok(());
            }
            Ok(()) = progress.changed() => {
                let now = *progress.borrow_and_update();
                readiness.reached(Phase::Recovering { done: now.done, total: now.total });
            }
        }
    }
}
