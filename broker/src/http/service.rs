//! [`Service`]: what a broker that serves works with.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use trimaran_api::client::Controllers;
use trimaran_metadata::MetadataImage;
use trimaran_types::{BrokerId, ClusterId};

use crate::codec_work::CodecWork;
use crate::config::{RequestsConfig, TopicDefaults};
use crate::routing::PartitionRouter;

/// Streams of produced records at one time; each may hold a few MiB.
const STREAMS_MAX: usize = 512;
/// Questions to the controllers about topics that this broker does not know, at one time.
const LOOKUPS_MAX: usize = 16;

/// The parts that a service is made of.
#[derive(Debug)]
pub struct ServiceParts {
    /// This broker.
    pub broker_id: BrokerId,
    /// Its cluster.
    pub cluster_id: ClusterId,
    /// What the cluster knows, as far as this broker has heard.
    pub image: watch::Receiver<Arc<MetadataImage>>,
    /// Appends, reads and offsets, wherever they are done.
    pub router: PartitionRouter,
    /// The quorum, for admin requests and views.
    pub controllers: Arc<Controllers>,
    /// Bounds of requests.
    pub requests: RequestsConfig,
    /// What a new topic gets.
    pub topic_defaults: TopicDefaults,
    /// Where clients reach this broker, `host:port`; links begin with it.
    pub client_address: String,
}

/// What a broker that serves works with.
#[derive(Debug)]
pub struct Service {
    parts: ServiceParts,
    /// One permit for each stream of produced records.
    pub(super) streams: Arc<Semaphore>,
    /// One permit for each question about an unknown topic.
    pub(super) lookups: Semaphore,
    /// Where records are compressed and decompressed.
    pub(super) codecs: CodecWork,
}

impl Service {
    /// Ready to serve.
    #[must_use]
    pub fn new(parts: ServiceParts) -> Self {
        Self {
            parts,
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            lookups: Semaphore::new(LOOKUPS_MAX),
            codecs: CodecWork::default(),
        }
    }

    pub(super) const fn broker_id(&self) -> BrokerId {
        self.parts.broker_id
    }

    pub(super) const fn cluster_id(&self) -> ClusterId {
        self.parts.cluster_id
    }

    /// The newest image.
    pub(super) fn image(&self) -> Arc<MetadataImage> {
        Arc::clone(&self.parts.image.borrow())
    }

    /// To wait for a newer image.
    pub(super) fn images(&self) -> watch::Receiver<Arc<MetadataImage>> {
        self.parts.image.clone()
    }

    pub(super) const fn router(&self) -> &PartitionRouter {
        &self.parts.router
    }

    pub(super) fn controllers(&self) -> &Controllers {
        &self.parts.controllers
    }

    /// How long a produce or admin request may take.
    pub(super) const fn request_timeout(&self) -> Duration {
        self.parts.requests.timeout
    }

    pub(super) const fn topic_defaults(&self) -> &TopicDefaults {
        &self.parts.topic_defaults
    }

    /// The absolute URL of a path on this broker.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.parts.client_address)
    }
}
