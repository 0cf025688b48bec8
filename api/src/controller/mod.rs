//! Messages of the controller's listener.

mod alter_partition;
mod bootstrap;
mod brokers;
mod cluster;
mod feed;
mod quorum;
mod topics;

pub use alter_partition::{
    AlterPartitionsRequest, AlterPartitionsResponse, IsrMember, PartitionAlteration,
    PartitionAlterationResult,
};
pub use bootstrap::{BootstrapRequest, BootstrapStatus, BootstrapVoter};
pub use brokers::{
    BrokerState, BrokerStatus, BrokersResponse, DamageCause, DamagedReplica, HeartbeatRequest,
    HeartbeatResponse, REPLICAS_REPORTED_MAX, RegisterBrokerRequest, RegisterBrokerResponse,
    SessionLease,
};
pub use cluster::ClusterStatus;
pub use feed::{FeedEntry, MetadataLogPage, MetadataLogQuery, MetadataSnapshot, SnapshotPointer};
pub use quorum::{QuorumStatus, VoterRole, VoterStatus};
pub use topics::{
    AlterTopicConfigsRequest, ConfigEntry, CreateTopicRequest, CreateTopicResponse,
    PartitionStatus, TopicStatus, TopicsResponse,
};
