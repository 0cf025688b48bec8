//! [`Known`]: what the log has told so far, so that a change can be shown as from → to.

use std::collections::HashMap;

use trimaran_api::controller::TopicsResponse;
use trimaran_api::paths;
use trimaran_metadata::MetadataRecord;
use trimaran_types::{BrokerId, PartitionIndex, TopicId};

use crate::connection::Connection;

/// Names of topics, leaders and ISRs of partitions. As large as the cluster's metadata, no more.
#[derive(Debug, Default)]
pub(super) struct Known {
    topics: HashMap<TopicId, String>,
    partitions: HashMap<(TopicId, PartitionIndex), PartitionKnown>,
}

/// What is known of a partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PartitionKnown {
    pub(super) leader: Option<BrokerId>,
    pub(super) isr: Vec<BrokerId>,
}

impl Known {
    /// Takes the names of the topics that exist; a snapshot may have swallowed their records.
    ///
    /// Without an answer the ids do.
    pub(super) async fn names(&mut self, connection: &Connection) {
        if let Ok(topics) = connection.get::<TopicsResponse>(paths::TOPICS, &[]).await {
            let names = topics.topics.into_iter();
            self.topics
                .extend(names.map(|topic| (topic.topic_id, topic.name.to_string())));
        }
    }

    /// The topic's name, or its id where the name was not seen.
    pub(super) fn topic(&self, id: TopicId) -> String {
        self.topics
            .get(&id)
            .cloned()
            .unwrap_or_else(|| id.to_string())
    }

    /// What the partition was before the record at hand.
    pub(super) fn partition(
        &self,
        topic: TopicId,
        partition: PartitionIndex,
    ) -> Option<&PartitionKnown> {
        self.partitions.get(&(topic, partition))
    }

    /// Takes in a record after its text was made.
    pub(super) fn learn(&mut self, record: &MetadataRecord) {
        match record {
            MetadataRecord::Topic(topic) => {
                self.topics.insert(topic.topic_id, topic.name.to_string());
            }
            MetadataRecord::RemoveTopic(removed) => {
                self.topics.remove(&removed.topic_id);
                self.partitions
                    .retain(|(topic, _), _| *topic != removed.topic_id);
            }
            MetadataRecord::Partition(created) => {
                let known = PartitionKnown {
                    leader: created.leader,
                    isr: created.isr.clone(),
                };
                self.partitions
                    .insert((created.topic_id, created.partition), known);
            }
            MetadataRecord::PartitionChange(change) => {
                let known = self
                    .partitions
                    .entry((change.topic_id, change.partition))
                    .or_default();
                if let Some(leader) = change.leader {
                    known.leader = leader;
                }
                if let Some(isr) = &change.isr {
                    known.isr.clone_from(isr);
                }
            }
            MetadataRecord::RegisterBroker(_)
            | MetadataRecord::UnregisterBroker(_)
            | MetadataRecord::BrokerRegistrationChange(_)
            | MetadataRecord::Config(_)
            | MetadataRecord::ProducerIds(_)
            | MetadataRecord::FeatureLevel(_)
            | MetadataRecord::NoOp(_) => {}
        }
    }
}
