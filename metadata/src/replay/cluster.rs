//! How records change what belongs to the cluster as a whole: configuration and producer ids.

use trimaran_types::{BrokerId, TopicName};

use super::InvalidRecord;
use crate::image::{ConfigResource, MetadataImage, ProducerIdBlockOwner, ProducerIdsImage};
use crate::record::{Config, ConfigResourceType, ProducerIds};

/// How much of an unknown resource's name an error repeats, in characters.
const UNKNOWN_NAME_CHARACTERS_MAX: usize = 64;

pub(super) fn configure(image: &mut MetadataImage, record: &Config) -> Result<(), InvalidRecord> {
    let resource = resource(image, record).ok_or_else(|| InvalidRecord::UnknownConfigResource {
        name: record
            .resource_name
            .chars()
            .take(UNKNOWN_NAME_CHARACTERS_MAX)
            .collect(),
    })?;
    image
        .configs
        .set(&resource, &record.name, record.value.as_deref());
    Ok(())
}

/// Brokers may be configured before they register; topics must exist.
fn resource(image: &MetadataImage, record: &Config) -> Option<ConfigResource> {
    match record.resource_type {
        ConfigResourceType::Topic => {
            let name = TopicName::new(&record.resource_name).ok()?;
            image
                .topics
                .by_name(&name)
                .map(|topic| ConfigResource::Topic(topic.name.clone()))
        }
        ConfigResourceType::Broker if record.resource_name.is_empty() => {
            Some(ConfigResource::Cluster)
        }
        ConfigResourceType::Broker => record
            .resource_name
            .parse()
            .ok()
            .map(|id| ConfigResource::Broker(BrokerId(id))),
    }
}

pub(super) fn hand_out_producer_ids(
    image: &mut MetadataImage,
    record: &ProducerIds,
) -> Result<(), InvalidRecord> {
    let (named, next) = (record.next_producer_id, image.producer_ids.next_producer_id);
    if named < next {
        return Err(InvalidRecord::ProducerIdsTakenBack { named, next });
    }
    image.producer_ids = ProducerIdsImage {
        last_block: Some(ProducerIdBlockOwner {
            broker_id: record.broker_id,
            broker_epoch: record.broker_epoch,
        }),
        next_producer_id: named,
    };
    Ok(())
}
