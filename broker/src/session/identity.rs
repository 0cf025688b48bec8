//! [`BrokerIdentity`]: what a broker says of itself when it registers.

use trimaran_api::controller::RegisterBrokerRequest;
use trimaran_types::{BrokerEpoch, BrokerId, ClusterId, DirectoryId, IncarnationId};

/// Who this run of the broker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerIdentity {
    /// `node.id`.
    pub broker_id: BrokerId,
    /// Drawn when the process started.
    pub incarnation_id: IncarnationId,
    /// Where clients reach it, `host:port`.
    pub client_address: String,
    /// Where brokers reach it, `host:port`.
    pub inter_node_address: String,
    /// Its rack.
    pub rack: Option<String>,
    /// Its log directories in working order.
    pub directories: Vec<DirectoryId>,
    /// The epoch that the run before this one had, when it ended cleanly.
    pub previous_broker_epoch: Option<BrokerEpoch>,
}

impl BrokerIdentity {
    /// The request that registers it.
    #[must_use]
    pub fn request(&self, cluster_id: Option<ClusterId>) -> RegisterBrokerRequest {
        RegisterBrokerRequest {
            cluster_id,
            broker_id: self.broker_id,
            incarnation_id: self.incarnation_id,
            client_address: self.client_address.clone(),
            inter_node_address: self.inter_node_address.clone(),
            rack: self.rack.clone(),
            directories: self.directories.clone(),
            previous_broker_epoch: self.previous_broker_epoch,
        }
    }
}
