//! How records create and delete topics.

use super::InvalidRecord;
use crate::image::{MetadataImage, TopicImage};
use crate::record::{RemoveTopic, Topic};

pub(super) fn create(image: &mut MetadataImage, record: &Topic) -> Result<(), InvalidRecord> {
    let topic_id = record.topic_id;
    if image.topics.get(topic_id).is_some() {
        return Err(InvalidRecord::TopicIdTaken { topic_id });
    }
    if let Some(existing) = image.topics.colliding_name(&record.name) {
        let (name, existing) = (record.name.clone(), existing.clone());
        return Err(InvalidRecord::TopicNameTaken { name, existing });
    }
    image
        .topics
        .insert(TopicImage::new(topic_id, record.name.clone()));
    Ok(())
}

pub(super) fn remove(image: &mut MetadataImage, record: &RemoveTopic) -> Result<(), InvalidRecord> {
    let topic_id = record.topic_id;
    let topic = image
        .topics
        .remove(topic_id)
        .ok_or(InvalidRecord::UnknownTopic { topic_id })?;
    image.configs.remove_topic(&topic.name);
    Ok(())
}
