//! [`BrokerContext`]: what the parts of a broker share.
//!
//! Made once, by the broker's start, and handed down; nothing here is global.

use std::sync::Arc;

use tokio::sync::watch;
use trimaran_api::client::Controllers;
use trimaran_commit_log::LogConfig;
use trimaran_metadata::MetadataImage;
use trimaran_types::{BrokerEpoch, BrokerId, ClusterId};

use crate::config::ReplicationConfig;
use crate::session::Lease;

/// What the parts of a broker share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BrokerContext {
    /// This broker.
    pub broker_id: BrokerId,
    /// The cluster that it belongs to.
    pub cluster_id: ClusterId,
    /// Its registration in force; `None` before the first one.
    pub broker_epoch: watch::Receiver<Option<BrokerEpoch>>,
    /// The client for calls to other brokers.
    pub http: reqwest::Client,
    /// The quorum.
    pub controllers: Arc<Controllers>,
    /// What the cluster knows, as far as this broker has heard.
    pub image: watch::Receiver<Arc<MetadataImage>>,
    /// Until when this broker's leaders need not ask whether they still lead.
    pub lease: watch::Receiver<Option<Lease>>,
    /// How partitions are copied.
    pub replication: ReplicationConfig,
    /// The settings of a log whose topic says nothing.
    pub log_defaults: Arc<LogConfig>,
}

impl BrokerContext {
    /// The image as it is now.
    #[must_use]
    pub fn current_image(&self) -> Arc<MetadataImage> {
        Arc::clone(&self.image.borrow())
    }

    /// The registration as it is now.
    #[must_use]
    pub fn current_broker_epoch(&self) -> Option<BrokerEpoch> {
        *self.broker_epoch.borrow()
    }
}
