//! The paths of the controller's and the inter-node listener, as axum routes and as builders.
//!
//! The client listener's paths are those of the REST APIs it speaks and stand with its router.

/// Quorum, voters, lag: `GET`.
pub const QUORUM: &str = "/v1/quorum";
/// Who this node is: `GET`.
pub const CLUSTER: &str = "/v1/cluster";
/// First start of a quorum: `GET` and `POST`.
pub const BOOTSTRAP: &str = "/v1/bootstrap";
/// The registered brokers: `GET`; register one: `POST`.
pub const BROKERS: &str = "/v1/brokers";
/// A broker says that it lives: `POST`.
pub const BROKER_HEARTBEAT: &str = "/v1/brokers/heartbeat";
/// A response that never ends while both sides live: `GET`.
pub const BROKER_SESSION: &str = "/v1/brokers/{broker_id}/session";
/// ISR changes: `POST`.
pub const ALTER_PARTITIONS: &str = "/v1/partitions/alter";
/// List: `GET`; create: `POST`.
pub const TOPICS: &str = "/v1/topics";
/// Describe: `GET`; delete: `DELETE`.
pub const TOPIC: &str = "/v1/topics/{topic}";
/// Change settings: `POST`.
pub const TOPIC_CONFIGS: &str = "/v1/topics/{topic}/configs";
/// The metadata log, a long poll: `GET`.
pub const METADATA_LOG: &str = "/v1/metadata/log";
/// The image as records: `GET`.
pub const METADATA_SNAPSHOT: &str = "/v1/metadata/snapshot";
/// The image as a tree: `GET`.
pub const METADATA_TREE: &str = "/v1/metadata/get";
/// A part of the tree: `GET`.
pub const METADATA_GET: &str = "/v1/metadata/get/{*path}";

/// A follower opens its stream of fetches at a leader: `GET`, with an upgrade.
pub const REPLICA_FETCH: &str = "/v1/replica/fetch";
/// A broker appends a client's batches at the leader: `POST`, record batches.
pub const PARTITION_APPEND: &str = "/v1/partitions/{topic_id}/{partition}/append";
/// A broker opens its stream of small appends: `GET`, with an upgrade.
pub const APPEND_STREAM: &str = "/v1/append-stream";
/// A broker reads for a client at the leader: `GET`, record batches.
pub const PARTITION_READ: &str = "/v1/partitions/{topic_id}/{partition}/read";
/// A broker asks the leader for a partition's offsets, and where a time lies: `GET`.
pub const PARTITION_OFFSETS: &str = "/v1/partitions/{topic_id}/{partition}/offsets";
/// A broker has the leader delete the oldest records: `POST`.
pub const PARTITION_TRIM: &str = "/v1/partitions/{topic_id}/{partition}/trim";

/// Alive: `GET`, on every listener.
pub const HEALTHZ: &str = "/healthz";
/// Ready, or the reasons why not: `GET`, on every listener.
pub const READYZ: &str = "/readyz";
/// Prometheus text: `GET`, on every listener.
pub const METRICS: &str = "/metrics";

/// Fills the `{…}` parts of a path, in order. Parts are ids and legal topic names, which need no
/// escaping.
#[must_use]
pub fn fill(path: &str, parts: &[&dyn std::fmt::Display]) -> String {
    let mut filled = String::with_capacity(path.len() + 32);
    let mut parts = parts.iter();
    for (place, piece) in path.split('/').enumerate() {
        if place > 0 {
            filled.push('/');
        }
        match (piece.starts_with('{'), parts.as_slice().first()) {
            (true, Some(part)) => {
                filled.push_str(&part.to_string());
                parts.next();
            }
            _ => filled.push_str(piece),
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_fill_in_order() {
        assert_eq!(
            fill(PARTITION_READ, &[&"abc", &7]),
            "/v1/partitions/abc/7/read"
        );
        assert_eq!(fill(TOPICS, &[]), "/v1/topics");
    }
}
