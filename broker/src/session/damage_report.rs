//! [`DamageReport`]: what heartbeats say of single replicas.

use trimaran_api::controller::DamagedReplica;
use trimaran_types::TopicIdPartition;

/// What the next heartbeats say of single replicas, until the metadata shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DamageReport {
    /// Replicas that are damaged or gone; no more than one heartbeat takes.
    pub damaged: Vec<DamagedReplica>,
    /// Replicas that are there although the metadata has them as lost; likewise.
    pub restored: Vec<TopicIdPartition>,
    /// Replicas that have lacked room for some seconds, leaders first; likewise.
    pub lacking_room: Vec<TopicIdPartition>,
    /// There is more of the damaged or restored than fits: a broker that is not in service yet must not ask for it.
    pub has_more: bool,
}
