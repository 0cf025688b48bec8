//! [`delete_topic`]: the end of a topic, its partitions and its settings.

use trimaran_metadata::MetadataImage;
use trimaran_metadata::record::RemoveTopic;
use trimaran_types::{KafkaError, TopicId, TopicName};

use crate::decide::{Decision, Refusal};

/// Deletes the topic of this name; the answer is the id that it had.
///
/// # Errors
/// There is no such topic.
pub fn delete_topic(view: &MetadataImage, name: &TopicName) -> Result<Decision<TopicId>, Refusal> {
    let topic = view.topics.by_name(name).ok_or_else(|| {
        let message = format!("topic '{name}' does not exist");
        Refusal::new(KafkaError::UnknownTopicOrPartition, message)
    })?;
    let topic_id = topic.topic_id;
    Ok(Decision {
        records: vec![RemoveTopic { topic_id }.into()],
        response: topic_id,
    })
}
