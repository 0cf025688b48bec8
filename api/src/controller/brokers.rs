//! Registration and life of brokers.

use serde::{Deserialize, Serialize};
use trimaran_types::{
    BrokerEpoch, BrokerId, ClusterId, DirectoryId, IncarnationId, LeaderEpoch, MetadataOffset,
    TopicIdPartition,
};

/// Most replicas that one heartbeat reports as damaged, as restored, and as without room: some 70 KB
/// of JSON each. The rest follows in the heartbeats after it.
pub const REPLICAS_REPORTED_MAX: usize = 1_000;

/// Body of `POST /v1/brokers` (KIP-631).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegisterBrokerRequest {
    /// The cluster in the broker's directory; absent on an empty one, which joins whom it asks.
    pub cluster_id: Option<ClusterId>,
    /// Its `node.id`.
    pub broker_id: BrokerId,
    /// This run of its process.
    pub incarnation_id: IncarnationId,
    /// Where clients reach it, `host:port`.
    pub client_address: String,
    /// Where brokers reach it, `host:port`.
    pub inter_node_address: String,
    /// Its rack, for placement.
    #[serde(default)]
    pub rack: Option<String>,
    /// Its log directories, all of them; at least one.
    pub directories: Vec<DirectoryId>,
    /// The epoch of its last registration, when that run ended cleanly.
    #[serde(default)]
    pub previous_broker_epoch: Option<BrokerEpoch>,
}

/// Answer to a registration that is committed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegisterBrokerResponse {
    /// The cluster that the broker now belongs to.
    pub cluster_id: ClusterId,
    /// The epoch that every later call carries.
    pub broker_epoch: BrokerEpoch,
}

/// Body of `POST /v1/brokers/heartbeat` (KIP-631).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeartbeatRequest {
    /// The broker.
    pub broker_id: BrokerId,
    /// Its registration.
    pub broker_epoch: BrokerEpoch,
    /// First metadata record that it has not applied.
    pub metadata_end: MetadataOffset,
    /// It wants to be, or to stay, fenced.
    pub want_fence: bool,
    /// It wants to stop, once it leads nothing.
    pub want_shutdown: bool,
    /// Directories that failed.
    #[serde(default)]
    pub offline_directories: Vec<DirectoryId>,
    /// Replicas whose log is damaged or gone, while the directory as such works. Each is named in
    /// every heartbeat until the metadata shows it as lost. At most [`REPLICAS_REPORTED_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged_replicas: Vec<DamagedReplica>,
    /// Replicas that the metadata shows as lost although their old log is open and in order here,
    /// and nobody else holds what they hold. Likewise bounded and repeated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restored_replicas: Vec<TopicIdPartition>,
    /// Replicas whose log has found no room for what it should append for some seconds, those that
    /// lead first. Another member of the ISR leads in their place if one has room, and none of these
    /// is chosen. At most [`REPLICAS_REPORTED_MAX`]; with as many, every replica of the broker counts
    /// as one of them. Each is named in every heartbeat until it has room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas_lacking_room: Vec<TopicIdPartition>,
}

/// A replica that its broker cannot serve from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamagedReplica {
    /// The partition.
    #[serde(flatten)]
    pub partition: TopicIdPartition,
    /// What is wrong with it.
    pub cause: DamageCause,
    /// A bound on the leader epochs in which it led or fetched during this run of the broker; absent
    /// when it never did. What its leader learned in them must not be believed of a new log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served_up_to: Option<LeaderEpoch>,
}

/// What is wrong with a replica's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DamageCause {
    /// Bytes that were synced do not match their checksum any more, or are not all there.
    Corrupt,
    /// It was there, and its folder or its segments are gone.
    Missing,
    /// Its owner could not go on with it.
    Failed,
}

impl DamageCause {
    /// The cause, for people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Corrupt => "its log is damaged",
            Self::Missing => "its log is gone",
            Self::Failed => "its log cannot be used",
        }
    }
}

/// Answer to a heartbeat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeartbeatResponse {
    /// It has applied its own registration.
    pub is_caught_up: bool,
    /// It is fenced: it leads nothing and is in no ISR that has another member.
    pub is_fenced: bool,
    /// It may stop now.
    pub should_shut_down: bool,
    /// How long the broker's leaderships are safe; absent while it has none to rely on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<SessionLease>,
}

/// What a broker may rely on after a heartbeat: the controllers take it out of no ISR for silence
/// before `session_ms` have passed since it sent the heartbeat, less `quorum_age_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionLease {
    /// The session timeout in force, in milliseconds.
    pub session_ms: u64,
    /// How long ago a majority last followed the answering controller, in milliseconds: another
    /// one may have been elected since, which began the session anew then and not later.
    pub quorum_age_ms: u64,
    /// First metadata record that was not committed; whoever has applied all before knows every
    /// change that was made before the heartbeat.
    pub metadata_end: MetadataOffset,
}

/// Where a broker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BrokerState {
    /// Registered and not trusted to serve.
    Fenced,
    /// In service.
    Active,
    /// Handing over before it stops.
    ControlledShutdown,
}

/// One broker, with the reason of its state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BrokerStatus {
    /// Its id.
    pub broker_id: BrokerId,
    /// Its registration.
    pub broker_epoch: BrokerEpoch,
    /// Where it stands.
    pub state: BrokerState,
    /// Why it stands there, for people.
    pub reason: String,
    /// Where clients reach it.
    pub client_address: String,
    /// Where brokers reach it.
    pub inter_node_address: String,
    /// Its rack.
    pub rack: Option<String>,
    /// Partitions that it leads.
    pub leaders: usize,
    /// Partitions that it holds a replica of.
    pub replicas: usize,
    /// Of these, the ones whose ISR it is in.
    pub in_sync: usize,
    /// Milliseconds since its last heartbeat; only the active controller knows.
    pub last_contact_ms: Option<u64>,
    /// First metadata record that it had not applied at its last heartbeat; likewise.
    pub metadata_end: Option<MetadataOffset>,
}

/// Answer to `GET /v1/brokers`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BrokersResponse {
    /// Every registered broker, by id.
    pub brokers: Vec<BrokerStatus>,
}
