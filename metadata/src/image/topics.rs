//! [`TopicsImage`]: the topics, by id and by name.
//!
//! Invariants: names and ids agree one to one, and no two names read the same once `.` is read as
//! `_` (Kafka's rule, for the sake of metric names).

use std::sync::Arc;

use imbl::OrdMap;
use serde::ser::{Serialize, SerializeMap, Serializer};
use trimaran_types::{TopicId, TopicName};

use super::TopicImage;

/// The topics, by id and by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicsImage {
    by_id: OrdMap<TopicId, Arc<TopicImage>>,
    by_name: OrdMap<TopicName, TopicId>,
    /// Only names with a `.` or a `_`: no other can collide.
    by_collision_key: OrdMap<String, TopicName>,
}

/// The key under which `name` could collide; `None` when it cannot.
fn collision_key(name: &TopicName) -> Option<String> {
    name.as_str()
        .contains(['.', '_'])
        .then(|| name.collision_key())
}

impl TopicsImage {
    /// The topic with this id.
    #[must_use]
    pub fn get(&self, id: TopicId) -> Option<&TopicImage> {
        self.by_id.get(&id).map(Arc::as_ref)
    }

    /// The topic of this name.
    #[must_use]
    pub fn by_name(&self, name: &TopicName) -> Option<&TopicImage> {
        self.get(*self.by_name.get(name)?)
    }

    /// The existing name that `name` is the same as, or would be mistaken for.
    #[must_use]
    pub fn colliding_name(&self, name: &TopicName) -> Option<&TopicName> {
        match collision_key(name) {
            Some(key) => self.by_collision_key.get(&key),
            None => self
                .by_name
                .get_key_value(name)
                .map(|(existing, _)| existing),
        }
    }

    /// Every topic, by name.
    pub fn iter(&self) -> impl Iterator<Item = &TopicImage> {
        self.by_name.values().filter_map(|id| self.get(*id))
    }

    /// How many topics there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(crate) const fn map(&self) -> &OrdMap<TopicId, Arc<TopicImage>> {
        &self.by_id
    }

    pub(crate) const fn names(&self) -> &OrdMap<TopicName, TopicId> {
        &self.by_name
    }

    /// The caller has checked that neither id nor name is taken.
    pub(crate) fn insert(&mut self, topic: TopicImage) {
        if let Some(key) = collision_key(&topic.name) {
            self.by_collision_key.insert(key, topic.name.clone());
        }
        self.by_name.insert(topic.name.clone(), topic.topic_id);
        self.by_id.insert(topic.topic_id, Arc::new(topic));
    }

    pub(crate) fn remove(&mut self, id: TopicId) -> Option<Arc<TopicImage>> {
        let topic = self.by_id.remove(&id)?;
        self.by_name.remove(&topic.name);
        if let Some(key) = collision_key(&topic.name) {
            self.by_collision_key.remove(&key);
        }
        Some(topic)
    }

    pub(crate) fn get_mut(&mut self, id: TopicId) -> Option<&mut TopicImage> {
        self.by_id.get_mut(&id).map(Arc::make_mut)
    }
}

/// A map by name: the ids are inside.
impl Serialize for TopicsImage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for topic in self.iter() {
            map.serialize_entry(&topic.name, topic)?;
        }
        map.end()
    }
}
