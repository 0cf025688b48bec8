//! [`Session`]: the task that sends heartbeats, one at a time (KIP-631).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use trimaran_api::client::CallError;
use trimaran_api::controller::{HeartbeatRequest, HeartbeatResponse};
use trimaran_api::{headers, paths};
use trimaran_metadata::MetadataImage;
use trimaran_types::{ClusterId, DirectoryId, KafkaError};

use super::{
    BrokerIdentity, DamageReport, Lease, SessionError, SessionState, SessionWants, connection,
    register,
};
use crate::config::SessionConfig;
use crate::controller_link::ControllerLink;

/// Between heartbeats while the broker waits for the controllers' word: to be unfenced, or to stop.
const IMPATIENT_INTERVAL: Duration = Duration::from_millis(25);
/// After a heartbeat that failed, before the next controller is tried.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// What a session starts from: a registration.
#[derive(Debug)]
pub struct SessionStart {
    /// The controllers.
    pub link: Arc<ControllerLink>,
    /// Who registered.
    pub identity: BrokerIdentity,
    /// In which cluster.
    pub cluster_id: ClusterId,
    /// What came of it.
    pub state: SessionState,
    /// The broker's image: its position goes into each heartbeat.
    pub image: watch::Receiver<Arc<MetadataImage>>,
    /// Log directories that failed.
    pub offline_directories: watch::Receiver<Vec<DirectoryId>>,
    /// What is to be said of single replicas.
    pub damage: watch::Receiver<Arc<DamageReport>>,
    /// Intervals and patience.
    pub config: SessionConfig,
    /// How long a leader keeps a member in its ISR that does not fetch.
    pub lag_time_max: Duration,
    /// Ends the session.
    pub stop: CancellationToken,
}

/// A session under way.
#[derive(Debug)]
pub struct Session {
    start: SessionStart,
    wants: watch::Sender<SessionWants>,
    state: watch::Sender<SessionState>,
    lease: watch::Sender<Option<Lease>>,
}

impl Session {
    /// Takes over from a registration; [`Session::run`] then keeps it up.
    #[must_use]
    pub fn new(start: SessionStart) -> Self {
        let state = watch::Sender::new(start.state);
        Self {
            start,
            wants: watch::Sender::new(SessionWants::STARTING),
            state,
            lease: watch::Sender::new(None),
        }
    }

    /// Tells the session what the broker wants; the next heartbeat goes out at once.
    #[must_use]
    pub fn wants(&self) -> watch::Sender<SessionWants> {
        self.wants.clone()
    }

    /// What the controllers last said.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<SessionState> {
        self.state.subscribe()
    }

    /// What the broker's leaders may rely on.
    #[must_use]
    pub fn lease(&self) -> watch::Receiver<Option<Lease>> {
        self.lease.subscribe()
    }

    /// Sends heartbeats until it is stopped.
    ///
    /// # Errors
    /// The controllers refuse the broker for good.
    pub async fn run(mut self) -> Result<(), SessionError> {
        let stop = self.start.stop.clone();
        let connection = connection::keep(
            Arc::clone(&self.start.link),
            self.start.identity.broker_id,
            self.start.cluster_id,
            self.state.subscribe(),
        );
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            () = connection => Ok(()),
            ended = self.beat() => ended,
        }
    }

    async fn beat(&mut self) -> Result<(), SessionError> {
        let mut wants = self.wants.subscribe();
        loop {
            let sent = Instant::now();
            let told = *wants.borrow_and_update();
            if told != SessionWants::SERVING || !self.start.offline_directories.borrow().is_empty()
            {
                // Upon this word the broker leaves ISRs while it lives: not behind a lease.
                self.lease.send_replace(None);
            }
            let pause = match self.heartbeat(told).await {
                Ok(response) => {
                    self.lease.send_replace(self.leased(sent, told, &response));
                    self.answered(response);
                    self.interval(told)
                }
                Err(error) => self.failed(&error).await?,
            };
            tokio::select! {
                () = tokio::time::sleep_until(sent + pause) => {}
                // A sender lives as long as this task, which owns one.
                _ = wants.changed() => {}
                Ok(()) = self.start.offline_directories.changed() => {}
                Ok(()) = self.start.damage.changed() => {}
            }
        }
    }

    async fn heartbeat(&self, wants: SessionWants) -> Result<HeartbeatResponse, CallError> {
        let damage = Arc::clone(&self.start.damage.borrow());
        let is_fenced = self.state.borrow().is_fenced;
        let request = HeartbeatRequest {
            broker_id: self.start.identity.broker_id,
            broker_epoch: self.state.borrow().broker_epoch,
            metadata_end: self.start.image.borrow().position.next_offset,
            // A broker in service is not fenced for the length of its list.
            want_fence: wants.fence || (is_fenced && damage.has_more),
            want_shutdown: wants.shutdown,
            offline_directories: self.start.offline_directories.borrow().clone(),
            damaged_replicas: damage.damaged.clone(),
            restored_replicas: damage.restored.clone(),
            replicas_lacking_room: damage.lacking_room.clone(),
        };
        let cluster_id = self.start.cluster_id.to_string();
        // KAFKA-14392: an answer waited for longer than the session is a fenced broker.
        let timeout = self.start.config.session_timeout / 2;
        let call = self.start.link.call(|http, base| {
            http.post(format!("{base}{}", paths::BROKER_HEARTBEAT))
                .header(headers::CLUSTER_ID, cluster_id)
                .json(&request)
                .timeout(timeout)
        });
        call.await
    }

    /// What may be relied on after `told` was answered.
    fn leased(
        &self,
        sent: Instant,
        told: SessionWants,
        response: &HeartbeatResponse,
    ) -> Option<Lease> {
        let is_whole = self.start.offline_directories.borrow().is_empty();
        let may_rely = told == SessionWants::SERVING && is_whole && !response.is_fenced;
        let given = response.lease.filter(|_| may_rely)?;
        Some(Lease::new(sent, given, self.start.lag_time_max))
    }

    fn answered(&self, response: HeartbeatResponse) {
        let old = *self.state.borrow();
        let new = SessionState {
            broker_epoch: old.broker_epoch,
            is_fenced: response.is_fenced,
            is_caught_up: response.is_caught_up,
            should_shut_down: response.should_shut_down,
            is_heard: true,
        };
        if new == old {
            return;
        }
        if !old.is_heard {
            tracing::info!("heartbeats are answered again");
        }
        match (old.is_fenced, new.is_fenced) {
            (true, false) => tracing::info!(epoch = %new.broker_epoch, "in service"),
            (false, true) => tracing::warn!(epoch = %new.broker_epoch, "fenced by the controllers"),
            _ => {}
        }
        self.state.send_replace(new);
    }

    /// The time from one heartbeat to the next.
    fn interval(&self, wants: SessionWants) -> Duration {
        let state = *self.state.borrow();
        let waits = (state.is_fenced && !wants.fence) || wants.shutdown;
        if waits {
            IMPATIENT_INTERVAL.min(self.start.config.heartbeat_interval)
        } else {
            self.start.config.heartbeat_interval
        }
    }

    /// Registers again where the registration is gone; else says so once. Tells when to try again,
    /// counted from the failed heartbeat.
    async fn failed(&mut self, error: &CallError) -> Result<Duration, SessionError> {
        let kafka_error = match error {
            CallError::Refused(refusal) => refusal.body.kafka_error,
            _ => None,
        };
        match kafka_error {
            Some(KafkaError::StaleBrokerEpoch | KafkaError::BrokerIdNotRegistered) => {
                // The controllers count on this run no more, so nothing that they gave it counts.
                self.lease.send_replace(None);
                tracing::warn!(%error, "the registration is gone, registering again");
                self.register_again().await?;
                Ok(Duration::ZERO)
            }
            Some(KafkaError::InconsistentClusterId) => Err(SessionError::Refused {
                message: error.to_string(),
            }),
            _ => {
                let was_heard = self
                    .state
                    .send_if_modified(|state| std::mem::replace(&mut state.is_heard, false));
                if was_heard {
                    tracing::warn!(%error, "a heartbeat was not answered, trying elsewhere");
                }
                let timeout = self.start.config.session_timeout / 2;
                let is_silence = matches!(error, CallError::TimedOut { .. });
                // A timeout has taken its time already; anything else must not be hammered.
                Ok(if is_silence { timeout } else { RETRY_PAUSE })
            }
        }
    }

    async fn register_again(&mut self) -> Result<(), SessionError> {
        // What an earlier run left clean says nothing about this one.
        self.start.identity.previous_broker_epoch = None;
        let registered = register(
            &self.start.link,
            &self.start.identity,
            Some(self.start.cluster_id),
            self.start.config.registration_timeout,
        )
        .await?;
        self.state
            .send_replace(SessionState::registered(registered.broker_epoch));
        Ok(())
    }
}
