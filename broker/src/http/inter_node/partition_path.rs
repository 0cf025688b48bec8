//! The partition in a path between nodes: topic id and number.

use trimaran_api::ApiError;
use trimaran_types::{KafkaError, PartitionIndex, TopicIdPartition};

use crate::http::path_names::PathParts;

/// The partition that a path names.
pub(super) fn partition(path: &PathParts) -> Result<TopicIdPartition, ApiError> {
    let topic_id = path.at(0).parse();
    let index = path.at(1).parse().map(PartitionIndex);
    match (topic_id, index) {
        (Ok(topic_id), Ok(partition)) => Ok(TopicIdPartition {
            topic_id,
            partition,
        }),
        _ => Err(ApiError::kafka(
            KafkaError::InvalidRequest,
            "the path names no topic id and partition",
        )),
    }
}

/// A query between nodes that does not make sense.
pub(super) fn bad_query(error: &axum::extract::rejection::QueryRejection) -> ApiError {
    ApiError::kafka(KafkaError::InvalidRequest, error.body_text())
}
