//! Names of the headers that are the cluster's own.

/// The cluster that the caller belongs to; on every call between nodes.
pub const CLUSTER_ID: &str = "trimaran-cluster-id";

/// The node that the caller means to reach (`broker-1`, `controller-2`); a mismatch is refused.
pub const TARGET_NODE: &str = "trimaran-target-node";

/// Set on a forwarded call: it is answered here or refused, never forwarded again.
pub const FORWARDED: &str = "trimaran-forwarded";

/// On answers of a controller: the active controller as `id@host:port`, where it is known.
pub const CONTROLLER_LEADER: &str = "trimaran-controller-leader";

/// On calls to controllers: milliseconds within which the caller wants an answer. What could not be
/// begun by then is refused as not done, and is not done later.
pub const TIMEOUT_MS: &str = "trimaran-timeout-ms";

/// On a question to the controllers: only a controller that a majority follows while it answers may
/// answer. Any value.
pub const LINEARIZABLE: &str = "trimaran-linearizable";

/// On produce requests: `all` (default, also `-1`), `leader` (also `1`) or `none` (also `0`).
pub const KAFKA_ACKS: &str = "kafka-acks";

/// MessagePack with field names, the compact form of every message between nodes.
pub const MSGPACK: &str = "application/msgpack";

/// Record batches v2, concatenated, as they lie in the log.
pub const RECORD_BATCHES: &str = "application/vnd.kafka.batch";
