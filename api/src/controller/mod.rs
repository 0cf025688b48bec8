//! Messages of the controller's listener.

mod alter_partition;
mod bootstrap;
mod brokers;
mod cluster;
mod feed;
mod quorum;
mod snapshot_stream;
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
pub use snapshot_stream::{
    SNAPSHOT_FRAME_BYTES_MAX, SNAPSHOT_PART_BYTES, SNAPSHOT_RECORDS_MAX, SNAPSHOT_STREAM,
    SnapshotFrames, SnapshotHead, SnapshotPiece, SnapshotReader, SnapshotStreamError,
};
pub use topics::{
    AlterTopicConfigsRequest, ConfigEntry, CreateTopicRequest, CreateTopicResponse,
    PartitionStatus, TopicStatus, TopicsResponse,
};
