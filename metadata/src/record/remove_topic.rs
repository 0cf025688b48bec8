//! [`RemoveTopic`].

use serde::{Deserialize, Serialize};
use trimaran_types::TopicId;

/// A topic was deleted, with its partitions and its configuration (Kafka's `RemoveTopicRecord`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveTopic {
    /// The topic.
    pub topic_id: TopicId,
}
