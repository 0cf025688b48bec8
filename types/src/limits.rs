//! Bounds that every node of a cluster shares. Bounds of one process live in its configuration.

/// Longest topic name, in bytes (Kafka's `Topic.java`: 249, so that folder names fit in 255).
pub const TOPIC_NAME_LENGTH_MAX: usize = 249;

/// Largest body of an HTTP request from a client, in bytes: 8 MiB.
pub const REQUEST_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Most records in one produce request.
pub const REQUEST_RECORDS_MAX: usize = 10_000;

/// Largest key, value and headers of one record together, in bytes: 1 MiB.
pub const RECORD_BYTES_MAX: usize = 1024 * 1024;

/// Largest record batch, in bytes, its 61-byte header included: what an 8 MiB body can become.
pub const BATCH_BYTES_MAX: usize = REQUEST_BODY_BYTES_MAX + 1024 * 1024;

/// Most bytes that the records of one compressed batch may become.
pub const DECOMPRESSED_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Most bytes that one byte of compressed records may become, once they are more than
/// [`BATCH_BYTES_MAX`]; what was built here is never larger than that, however well it compresses.
pub const DECOMPRESSED_RATIO_MAX: usize = 100;

/// Most headers on one record.
pub const RECORD_HEADERS_MAX: usize = 1_000;

/// Most partitions of one topic.
pub const TOPIC_PARTITIONS_MAX: u32 = 10_000;

/// Most replicas of one partition.
pub const REPLICATION_FACTOR_MAX: u16 = 100;

/// Most metadata records in one entry of the metadata log (Kafka's bound on an atomic batch).
pub const METADATA_ENTRY_RECORDS_MAX: usize = 20_000;

/// Largest entry of the metadata log, in bytes, before it is proposed: 8 MiB.
pub const METADATA_ENTRY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Longest wait that a client may ask of a long poll, in milliseconds.
pub const LONG_POLL_MS_MAX: u64 = 60_000;

/// Most bytes of records that one read answers with; the first batch is always whole.
pub const READ_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Most bytes of records in one answer to a follower's fetch.
pub const REPLICA_FETCH_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Most bytes of one partition in one answer to a follower's fetch.
pub const REPLICA_FETCH_PARTITION_BYTES_MAX: usize = 1024 * 1024;
