//! [`ConfigsImage`]: the configuration that is set, as text.
//!
//! Holds what was set and no defaults; checking keys and values was the decision's work.

use imbl::OrdMap;
use serde::Serialize;
use trimaran_types::{BrokerId, TopicName};

/// `min.insync.replicas` where nothing is set: one failed broker of three loses nothing and stops
/// nothing.
pub const MIN_INSYNC_REPLICAS_DEFAULT: usize = 2;

type Values = OrdMap<String, String>;

/// The configuration that is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ConfigsImage {
    topics: OrdMap<TopicName, Values>,
    brokers: OrdMap<BrokerId, Values>,
    cluster: Values,
}

/// What a value belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConfigResource {
    Topic(TopicName),
    Broker(BrokerId),
    Cluster,
}

/// The cluster-wide default of a topic's setting, where its name differs (Kafka's
/// `ServerTopicConfigSynonyms`).
fn cluster_key(topic_key: &str) -> &str {
    match topic_key {
        "cleanup.policy" => "log.cleanup.policy",
        "delete.retention.ms" => "log.cleaner.delete.retention.ms",
        "file.delete.delay.ms" => "log.segment.delete.delay.ms",
        "flush.messages" => "log.flush.interval.messages",
        "flush.ms" => "log.flush.interval.ms",
        "index.interval.bytes" => "log.index.interval.bytes",
        "max.compaction.lag.ms" => "log.cleaner.max.compaction.lag.ms",
        "max.message.bytes" => "message.max.bytes",
        "message.timestamp.after.max.ms" => "log.message.timestamp.after.max.ms",
        "message.timestamp.before.max.ms" => "log.message.timestamp.before.max.ms",
        "message.timestamp.type" => "log.message.timestamp.type",
        "min.cleanable.dirty.ratio" => "log.cleaner.min.cleanable.ratio",
        "min.compaction.lag.ms" => "log.cleaner.min.compaction.lag.ms",
        "preallocate" => "log.preallocate",
        "retention.bytes" => "log.retention.bytes",
        "retention.ms" => "log.retention.ms",
        "segment.bytes" => "log.segment.bytes",
        "segment.index.bytes" => "log.index.size.max.bytes",
        "segment.jitter.ms" => "log.roll.jitter.ms",
        "segment.ms" => "log.roll.ms",
        same => same,
    }
}

impl ConfigsImage {
    /// The values set on a topic, by key.
    pub fn topic(&self, name: &TopicName) -> impl Iterator<Item = (&str, &str)> {
        texts(self.topics.get(name))
    }

    /// The values set on one broker, by key.
    pub fn broker(&self, id: BrokerId) -> impl Iterator<Item = (&str, &str)> {
        texts(self.brokers.get(&id))
    }

    /// The values set for all brokers, by key.
    pub fn cluster(&self) -> impl Iterator<Item = (&str, &str)> {
        texts(Some(&self.cluster))
    }

    /// The topic's own value, else the cluster's.
    pub(super) fn effective(&self, topic: &TopicName, key: &str) -> Option<&str> {
        let own = self.topics.get(topic).and_then(|values| values.get(key));
        own.or_else(|| self.cluster.get(cluster_key(key)))
            .map(String::as_str)
    }

    pub(super) fn cluster_default<'a>(&'a self, topic_key: &'a str) -> (&'a str, Option<&'a str>) {
        let key = cluster_key(topic_key);
        (key, self.cluster.get(key).map(String::as_str))
    }

    pub(crate) const fn topics_map(&self) -> &OrdMap<TopicName, Values> {
        &self.topics
    }

    pub(crate) const fn brokers_map(&self) -> &OrdMap<BrokerId, Values> {
        &self.brokers
    }

    pub(crate) const fn cluster_map(&self) -> &Values {
        &self.cluster
    }

    pub(crate) fn set(&mut self, resource: &ConfigResource, key: &str, value: Option<&str>) {
        match resource {
            ConfigResource::Cluster => set_value(&mut self.cluster, key, value),
            ConfigResource::Topic(name) => {
                set_nested(&mut self.topics, name.clone(), key, value);
            }
            ConfigResource::Broker(id) => set_nested(&mut self.brokers, *id, key, value),
        }
    }

    pub(crate) fn remove_topic(&mut self, name: &TopicName) {
        self.topics.remove(name);
    }

    pub(crate) fn remove_broker(&mut self, id: BrokerId) {
        self.brokers.remove(&id);
    }
}

fn texts(values: Option<&Values>) -> impl Iterator<Item = (&str, &str)> {
    values
        .into_iter()
        .flat_map(|values| values.iter().map(|(k, v)| (k.as_str(), v.as_str())))
}

fn set_value(values: &mut Values, key: &str, value: Option<&str>) {
    match value {
        Some(value) => values.insert(key.to_owned(), value.to_owned()),
        None => values.remove(key),
    };
}

/// An owner without values has no map, so that two images with the same values are equal.
fn set_nested<K: Ord + Clone>(
    owners: &mut OrdMap<K, Values>,
    owner: K,
    key: &str,
    value: Option<&str>,
) {
    let mut values = owners.get(&owner).cloned().unwrap_or_default();
    set_value(&mut values, key, value);
    if values.is_empty() {
        owners.remove(&owner);
    } else {
        owners.insert(owner, values);
    }
}
