//! [`App`]: the state of both listeners, which are open before the broker can serve.

use std::sync::{Arc, OnceLock};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio::sync::Semaphore;
use trimaran_api::ApiError;
use trimaran_api::rest::WriteOutcome;
use trimaran_types::KafkaError;

use super::{Refusal, Service};
use crate::byte_budget::ByteBudget;
use crate::config::RequestsConfig;
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::routing::with_outcome;

/// Streams of other brokers at one time; each broker has one for appends and one for fetches.
const NODE_STREAMS_MAX: usize = 1_024;

/// What handlers share.
#[derive(Debug)]
pub struct App {
    /// Whether the broker serves.
    pub readiness: Arc<Readiness>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The bound on request bodies in memory.
    pub body_budget: Arc<ByteBudget>,
    /// The bound on answers with records in memory.
    pub answer_budget: Arc<ByteBudget>,
    /// One permit for each stream of another broker.
    pub(super) node_streams: Arc<Semaphore>,
    service: OnceLock<Arc<Service>>,
}

impl App {
    /// Without a service yet: every request but those about health is refused.
    #[must_use]
    pub fn new(readiness: Arc<Readiness>, metrics: Arc<Metrics>, bounds: &RequestsConfig) -> Self {
        Self {
            readiness,
            metrics,
            body_budget: ByteBudget::new(bounds.body_bytes_max),
            answer_budget: ByteBudget::new(bounds.answer_bytes_max),
            node_streams: Arc::new(Semaphore::new(NODE_STREAMS_MAX)),
            service: OnceLock::new(),
        }
    }

    /// The broker can work now: its cluster is known and its logs are open. Counts once.
    pub fn serve(&self, service: Service) {
        if self.service.set(Arc::new(service)).is_err() {
            tracing::error!("the service was started twice; the first one stays");
        }
    }

    /// The service, once there is one.
    #[must_use]
    pub fn service(&self) -> Option<&Arc<Service>> {
        self.service.get()
    }

    fn not_yet(&self) -> Refusal {
        let reasons = self.readiness.reasons().join("; ");
        let message = format!("the broker does not serve yet: {reasons}");
        let refusal = ApiError::kafka(KafkaError::BrokerNotAvailable, message);
        Refusal(with_outcome(refusal, WriteOutcome::NothingWritten))
    }
}

/// The service for a client's request: there once the broker has been put into service.
#[derive(Debug)]
pub(super) struct ForClients(pub(super) Arc<Service>);

impl FromRequestParts<Arc<App>> for ForClients {
    type Rejection = Refusal;

    async fn from_request_parts(_: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        match app.service() {
            Some(service) if app.readiness.takes_requests() => Ok(Self(Arc::clone(service))),
            _ => Err(app.not_yet()),
        }
    }
}

/// The service for another broker's request: there as soon as the logs are open.
#[derive(Debug)]
pub(super) struct ForBrokers(pub(super) Arc<Service>);

impl FromRequestParts<Arc<App>> for ForBrokers {
    type Rejection = Refusal;

    async fn from_request_parts(_: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        match app.service() {
            Some(service) => Ok(Self(Arc::clone(service))),
            None => Err(app.not_yet()),
        }
    }
}
