//! The invariants of a whole image.
//!
//! Replay keeps them by refusing every entry that would break one; this check proves it in debug
//! builds, in tests and in simulation. It walks everything.

use trimaran_types::{BrokerId, PartitionIndex, TopicId, TopicName};

use super::{InvalidPartition, MetadataImage};

/// The invariant that an image breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidImage {
    /// A partition is wrong in itself.
    #[error("partition {partition} of topic {topic}")]
    Partition {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: PartitionIndex,
        /// What is wrong.
        #[source]
        cause: InvalidPartition,
    },
    /// The leader of a partition is not registered.
    #[error("broker {broker} leads partition {partition} of topic {topic} and is not registered")]
    UnknownLeader {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: PartitionIndex,
        /// The leader.
        broker: BrokerId,
    },
    /// Names and ids of topics do not agree.
    #[error("names and ids do not agree on topic {topic} ({topic_id})")]
    NamesAndIds {
        /// The name.
        topic: TopicName,
        /// The id.
        topic_id: TopicId,
    },
    /// The numbers of a topic's partitions have a gap.
    #[error("the partitions of topic {topic} are not numbered without a gap")]
    PartitionGap {
        /// The topic.
        topic: TopicName,
    },
    /// Configuration of a topic that does not exist.
    #[error("topic {topic} is configured and does not exist")]
    ConfigWithoutTopic {
        /// The topic.
        topic: TopicName,
    },
    /// A broker stands under an id that is not its own.
    #[error("broker {broker} stands under another id")]
    BrokerUnderOtherId {
        /// The broker.
        broker: BrokerId,
    },
}

impl MetadataImage {
    /// Checks every invariant of the image and of its parts. O(image).
    ///
    /// # Errors
    /// The first one that does not hold.
    pub fn validate(&self) -> Result<(), InvalidImage> {
        for (id, registration) in self.brokers.map() {
            if *id != registration.broker_id {
                return Err(InvalidImage::BrokerUnderOtherId { broker: *id });
            }
        }
        self.validate_topics()?;
        for found in self.partitions() {
            let (topic, partition) = (&found.topic.name, found.partition);
            found
                .state
                .validate()
                .map_err(|cause| InvalidImage::Partition {
                    topic: topic.clone(),
                    partition,
                    cause,
                })?;
            if let Some(broker) = found.state.leader
                && self.brokers.get(broker).is_none()
            {
                let topic = topic.clone();
                return Err(InvalidImage::UnknownLeader {
                    topic,
                    partition,
                    broker,
                });
            }
        }
        for topic in self.configs.topics_map().keys() {
            if self.topics.by_name(topic).is_none() {
                return Err(InvalidImage::ConfigWithoutTopic {
                    topic: topic.clone(),
                });
            }
        }
        Ok(())
    }

    fn validate_topics(&self) -> Result<(), InvalidImage> {
        let names = self.topics.names();
        for (topic_id, topic) in self.topics.map() {
            let agrees = topic.topic_id == *topic_id && names.get(&topic.name) == Some(topic_id);
            if !agrees || names.len() != self.topics.len() {
                let topic = topic.name.clone();
                return Err(InvalidImage::NamesAndIds {
                    topic,
                    topic_id: *topic_id,
                });
            }
            let dense = topic
                .map()
                .keys()
                .enumerate()
                .all(|(place, index)| u32::try_from(place).is_ok_and(|place| place == index.0));
            if !dense {
                return Err(InvalidImage::PartitionGap {
                    topic: topic.name.clone(),
                });
            }
        }
        Ok(())
    }
}
