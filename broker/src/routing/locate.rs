//! Where a partition's work is done, by an image: pure.

use trimaran_api::ApiError;
use trimaran_metadata::MetadataImage;
use trimaran_types::{BrokerId, KafkaError, TopicIdPartition};

/// Who leads a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    /// This broker.
    Here,
    /// Another one.
    There {
        /// Which.
        broker_id: BrokerId,
        /// Its inter-node listener, `host:port`.
        address: String,
    },
}

/// Finds the leader of `partition` for the broker `me`.
///
/// # Errors
/// `UNKNOWN_TOPIC_OR_PARTITION`: the image has no such partition (any more).
/// `LEADER_NOT_AVAILABLE`: it has no leader now; the message says since which change.
pub fn locate(
    image: &MetadataImage,
    partition: TopicIdPartition,
    me: BrokerId,
) -> Result<Whereabouts, ApiError> {
    let Some(topic) = image.topics.get(partition.topic_id) else {
        let message = format!("topic {} does not exist", partition.topic_id);
        return Err(ApiError::kafka(
            KafkaError::UnknownTopicOrPartition,
            message,
        ));
    };
    let number = partition.partition;
    let Some(state) = topic.partition(number) else {
        let message = format!("topic {} has no partition {number}", topic.name);
        let refusal = ApiError::kafka(KafkaError::UnknownTopicOrPartition, message);
        return Err(refusal.with_code(40402));
    };
    let Some(leader) = state.leader else {
        let message = format!(
            "partition {}-{number} has no leader since its last change ({})",
            topic.name, state.last_change.reason,
        );
        return Err(ApiError::kafka(KafkaError::LeaderNotAvailable, message));
    };
    if leader == me {
        return Ok(Whereabouts::Here);
    }
    match image.brokers.get(leader) {
        Some(registration) => Ok(Whereabouts::There {
            broker_id: leader,
            address: registration.inter_node_address.clone(),
        }),
        None => Err(ApiError::kafka(
            KafkaError::LeaderNotAvailable,
            format!(
                "partition {}-{number} is led by broker {leader}, which is not registered",
                topic.name
            ),
        )),
    }
}
