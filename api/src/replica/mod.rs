//! Messages of the inter-node listener, between brokers.

mod append;
pub mod append_stream;
mod fetch;
mod offsets;
mod read;
mod trim;

pub use append::{AppendQuery, AppendResponse, RequiredAcks};
pub use fetch::{
    DivergingEpoch, FetchPartition, FetchPartitionResult, REPLICA_FETCH_PROTOCOL,
    ReplicaFetchRequest, ReplicaFetchResponse,
};
pub use offsets::{OffsetAndTimestamp, OffsetsQuery, PartitionOffsets, TimestampQuery};
pub use read::{HIGH_WATERMARK, LEADER_EPOCH, LOG_START, ReadQuery};
pub use trim::{TrimQuery, TrimResponse};
