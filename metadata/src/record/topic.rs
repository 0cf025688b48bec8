//! [`Topic`].

use serde::{Deserialize, Serialize};
use trimaran_types::{TopicId, TopicName};

/// A topic was created (Kafka's `TopicRecord`). Its partitions follow as records of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// Its name.
    pub name: TopicName,
    /// Its id, never used before.
    pub topic_id: TopicId,
}
