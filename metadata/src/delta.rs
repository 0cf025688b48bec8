//! [`ImageDelta`]: what differs between two images.
//!
//! Found by comparing, so it is right however the newer image came about: entry by entry or from a
//! snapshot. Parts that the images share are skipped, so the cost follows the difference.

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use trimaran_types::{BrokerId, PartitionIndex, TopicId, TopicIdPartition, TopicName};

use crate::image::{BrokerRegistration, MetadataImage, PartitionState, TopicImage};

/// What differs between an older and a newer image. Nothing that is alike is listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageDelta {
    /// Brokers that came, went or changed, by id.
    pub brokers: Vec<BrokerDelta>,
    /// Topics that came, with their names, by id.
    pub topics_created: Vec<(TopicId, TopicName)>,
    /// Topics that went, with their names, by id. One that was deleted and created again under its
    /// name stands in both lists, under two ids.
    pub topics_removed: Vec<(TopicId, TopicName)>,
    /// Partitions that came, went or changed, by topic id and number; those of removed topics too.
    pub partitions: Vec<PartitionDelta>,
    /// Topics in either image whose own configuration differs.
    pub topic_configs: BTreeSet<TopicName>,
    /// Brokers whose own configuration differs.
    pub broker_configs: BTreeSet<BrokerId>,
    /// Whether the configuration of all brokers differs.
    pub cluster_config: bool,
    /// Whether a feature level differs.
    pub features: bool,
    /// Whether producer ids were handed out.
    pub producer_ids: bool,
}

/// A broker that differs. Absent means "not registered".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerDelta {
    /// The broker.
    pub broker_id: BrokerId,
    /// As it was.
    pub old: Option<Arc<BrokerRegistration>>,
    /// As it is.
    pub new: Option<Arc<BrokerRegistration>>,
}

/// A partition that differs. Absent means "does not exist".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionDelta {
    /// The topic's name.
    pub topic: TopicName,
    /// The partition.
    pub partition: TopicIdPartition,
    /// As it was.
    pub old: Option<Arc<PartitionState>>,
    /// As it is.
    pub new: Option<Arc<PartitionState>>,
}

impl ImageDelta {
    /// What differs from `old` to `new`. The positions do not count.
    #[must_use]
    pub fn between(old: &MetadataImage, new: &MetadataImage) -> Self {
        let mut delta = Self {
            cluster_config: old.configs.cluster_map() != new.configs.cluster_map(),
            features: old.features != new.features,
            producer_ids: old.producer_ids != new.producer_ids,
            ..Self::default()
        };
        for item in old.brokers.map().diff(new.brokers.map()) {
            let (broker_id, old, new) = sides(item);
            delta.brokers.push(BrokerDelta {
                broker_id,
                old,
                new,
            });
        }
        for item in old.topics.map().diff(new.topics.map()) {
            let (topic_id, old, new) = sides(item);
            delta.compare_topic(topic_id, old.as_deref(), new.as_deref());
        }
        let topics = old.configs.topics_map().diff(new.configs.topics_map());
        delta.topic_configs = topics.map(|item| sides(item).0).collect();
        let brokers = old.configs.brokers_map().diff(new.configs.brokers_map());
        delta.broker_configs = brokers.map(|item| sides(item).0).collect();
        delta
    }

    /// The delta that makes `image` out of nothing: what a node that starts has to do.
    #[must_use]
    pub fn from_empty(image: &MetadataImage) -> Self {
        Self::between(&MetadataImage::default(), image)
    }

    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn compare_topic(
        &mut self,
        topic_id: TopicId,
        old: Option<&TopicImage>,
        new: Option<&TopicImage>,
    ) {
        let Some(topic) = new.or(old) else { return };
        let name = topic.name.clone();
        match (old, new) {
            (None, Some(_)) => self.topics_created.push((topic_id, name.clone())),
            (Some(_), None) => self.topics_removed.push((topic_id, name.clone())),
            _ => {}
        }
        let none = OrdMap::<PartitionIndex, Arc<PartitionState>>::new();
        let old = old.map_or(&none, TopicImage::map);
        let new = new.map_or(&none, TopicImage::map);
        for item in old.diff(new) {
            let (partition, old, new) = sides(item);
            let partition = TopicIdPartition {
                topic_id,
                partition,
            };
            self.partitions.push(PartitionDelta {
                topic: name.clone(),
                partition,
                old,
                new,
            });
        }
    }
}

fn sides<K: Clone, V: Clone>(item: DiffItem<'_, '_, K, V>) -> (K, Option<V>, Option<V>) {
    match item {
        DiffItem::Add(key, new) => (key.clone(), None, Some(new.clone())),
        DiffItem::Remove(key, old) => (key.clone(), Some(old.clone()), None),
        DiffItem::Update {
            old: (key, old),
            new: (_, new),
        } => (key.clone(), Some(old.clone()), Some(new.clone())),
    }
}
