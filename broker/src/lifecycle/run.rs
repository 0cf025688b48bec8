//! [`run`]: a broker from its start to its end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::data_plane::{self, DataPlane};
use super::listeners::Addresses;
use super::observations::Observed;
use super::signals::StopSignals;
use super::tasks::Tasks;
use super::{Fatal, controlled_shutdown, descriptors, listeners, membership, observations};
use crate::config::BrokerConfig;
use crate::http::{App, Service, ServiceParts};
use crate::metrics::Metrics;
use crate::readiness::{Phase, Readiness};
use crate::routing::{PartitionRouter, Remote};
use crate::session::{SessionState, SessionWants};

/// How long appends that were taken may take to be answered before the leaderships move.
const RESIGN_PATIENCE: Duration = Duration::from_secs(1);

/// A broker that has asked for service.
struct Running {
    data_plane: DataPlane,
    state: watch::Receiver<SessionState>,
    wants: watch::Sender<SessionWants>,
}

/// Runs a broker until a signal asks for its end, or it cannot go on.
///
/// # Errors
/// What it cannot get over. Then nothing was closed in order: the process must end at once.
pub async fn run(config: BrokerConfig) -> Result<(), Fatal> {
    let mut signals = StopSignals::listen()?;
    descriptors::raise_limit(config.listeners.connections_max);
    let (tasks, mut failures) = Tasks::new();
    let readiness = Arc::new(Readiness::default());
    let app = Arc::new(App::new(
        Arc::clone(&readiness),
        Arc::new(Metrics::default()),
        &config.requests,
    ));
    let (stop_listening, stop_membership) = (CancellationToken::new(), CancellationToken::new());
    let addresses = listeners::open(&config.listeners, &app, &tasks, &stop_listening).await?;
    let starting = start(&config, addresses, &app, &tasks, &stop_membership);
    let running = tokio::select! {
        started = starting => started?,
        failure = first(&mut failures) => return Err(failure),
        name = signals.next() => {
            tracing::info!(signal = name, "stopped before the start was complete");
            return Ok(());
        }
    };
    tokio::select! {
        failure = first(&mut failures) => return Err(failure),
        name = signals.next() => tracing::info!(signal = name, "stopping"),
    }
    let stopping = stop(
        &config,
        running,
        &readiness,
        [stop_listening, stop_membership],
        &tasks,
    );
    tokio::select! {
        () = stopping => Ok(()),
        failure = first(&mut failures) => Err(failure),
        name = signals.next() => {
            tracing::warn!(signal = name, "a second signal: stopping at once");
            Ok(())
        }
    }
}

async fn first(failures: &mut mpsc::Receiver<Fatal>) -> Fatal {
    match failures.recv().await {
        Some(failure) => failure,
        None => std::future::pending().await,
    }
}

/// Everything up to the first service.
async fn start(
    config: &BrokerConfig,
    addresses: Addresses,
    app: &Arc<App>,
    tasks: &Tasks,
    stop: &CancellationToken,
) -> Result<Running, Fatal> {
    let readiness = &app.readiness;
    let client_address = addresses.client.clone();
    let member = membership::join(config, addresses, readiness, tasks, stop).await?;
    let image = membership::own_registration(config, &member.image, &member.state).await?;
    let (state, wants) = (member.state.clone(), member.wants.clone());
    let (images, feed, cluster_id) = (member.image.clone(), member.feed.clone(), member.cluster_id);
    follow_fencing(readiness, &state, tasks, stop);
    let data_plane = data_plane::open(config, member, image, readiness, tasks).await?;
    let observed = Observed {
        broker_id: config.broker_id,
        image: images.clone(),
        feed,
        state: state.clone(),
        replicas: Arc::clone(&data_plane.replicas),
        log_cleaner: Arc::clone(&data_plane.log_cleaner),
        log_scrub: Arc::clone(&data_plane.log_scrub),
        body_budget: Arc::clone(&app.body_budget),
        answer_budget: Arc::clone(&app.answer_budget),
    };
    let replicas = Arc::clone(&data_plane.replicas);
    app.metrics
        .observe_dirs(move || observations::of_dirs(&replicas));
    app.metrics.observe(move || observed.read());
    let local = Arc::clone(&data_plane.replicas);
    let remote = Remote::new(data_plane.http.clone(), cluster_id);
    app.serve(Service::new(ServiceParts {
        broker_id: config.broker_id,
        cluster_id,
        image: images.clone(),
        router: PartitionRouter::new(config.broker_id, images, local, remote),
        controllers: Arc::clone(&data_plane.controllers),
        requests: config.requests.clone(),
        topic_defaults: config.topics.clone(),
        client_address,
    }));
    readiness.reached(Phase::WaitingToServe);
    wants.send_replace(SessionWants::SERVING);
    let mut unfenced = state.clone();
    if unfenced.wait_for(|state| !state.is_fenced).await.is_err() {
        // The session says itself why it has ended.
        std::future::pending::<()>().await;
    }
    readiness.reached(Phase::Serving);
    tracing::info!("serving");
    Ok(Running {
        data_plane,
        state,
        wants,
    })
}

fn follow_fencing(
    readiness: &Arc<Readiness>,
    state: &watch::Receiver<SessionState>,
    tasks: &Tasks,
    stop: &CancellationToken,
) {
    let (readiness, mut state) = (Arc::clone(readiness), state.clone());
    tasks.run_forever("fencing", stop, async move {
        loop {
            readiness.fenced(state.borrow_and_update().is_fenced);
            if state.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    });
}

/// Hands over, then ends everything in order.
async fn stop(
    config: &BrokerConfig,
    running: Running,
    readiness: &Readiness,
    [stop_listening, stop_membership]: [CancellationToken; 2],
    tasks: &Tasks,
) {
    readiness.reached(Phase::Stopping);
    if !running.data_plane.replicas.resign(RESIGN_PATIENCE).await {
        tracing::warn!(
            waited = ?RESIGN_PATIENCE,
            "appends still wait for their acknowledgement; their callers may be left in doubt"
        );
    }
    controlled_shutdown::hand_over(
        &running.wants,
        &running.state,
        config.session.session_timeout,
        config.session.shutdown_timeout,
    )
    .await;
    stop_listening.cancel();
    let DataPlane {
        replicas,
        fetchers,
        log_cleaner,
        log_scrub,
        stop: stop_data_plane,
        ..
    } = running.data_plane;
    stop_data_plane.cancel();
    fetchers.stop();
    let stopping = tokio::task::spawn_blocking(move || {
        log_scrub.stop();
        log_cleaner.stop();
    });
    if let Err(error) = stopping.await {
        tracing::error!(%error, "stopping the threads of the logs broke off");
    }
    let was_clean = replicas.shutdown().await;
    stop_membership.cancel();
    tasks.ended().await;
    tracing::info!(was_clean, "stopped");
}
