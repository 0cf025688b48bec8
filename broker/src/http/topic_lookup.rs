//! Finds a topic by name, and asks the controllers about one that this broker has not heard of.
//!
//! A client may create a topic through one broker and use it through another a moment later. So an
//! unknown name costs one short question; if the topic exists, the metadata that tells of it is
//! waited for. An unknown topic is answered at once, also while no controller answers; then the
//! answer says that it may be another one a moment later.

use std::sync::Arc;
use std::time::Duration;

use trimaran_api::client::CallError;
use trimaran_api::controller::TopicStatus;
use trimaran_api::{ApiError, paths};
use trimaran_metadata::{MetadataImage, TopicImage};
use trimaran_types::{KafkaError, PartitionIndex, TopicId, TopicIdPartition, TopicName};

use super::Service;

/// For the question; a controller that does not answer by then is not waited for.
const QUESTION_TIMEOUT: Duration = Duration::from_millis(300);
/// For the metadata that tells of a topic which the controllers know.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(2);

/// What is said of a topic that does not exist, which differs by resource (Confluent's behaviour).
pub(super) const UNKNOWN_TOPIC: u32 = 40403;
pub(super) const UNKNOWN_TOPIC_ON_PRODUCE: u32 = 40401;

/// A topic, in the image that it was found in.
#[derive(Debug, Clone)]
pub(super) struct FoundTopic {
    image: Arc<MetadataImage>,
    topic_id: TopicId,
}

impl FoundTopic {
    fn in_image(image: Arc<MetadataImage>, name: &TopicName) -> Option<Self> {
        let topic_id = image.topics.by_name(name)?.topic_id;
        Some(Self { image, topic_id })
    }

    pub(super) fn image(&self) -> &MetadataImage {
        &self.image
    }

    pub(super) fn topic(&self) -> &TopicImage {
        self.image
            .topics
            .get(self.topic_id)
            .expect("an image does not change, and this one holds the topic")
    }

    /// The partition's identity, if the topic has it.
    pub(super) fn partition(
        &self,
        partition: PartitionIndex,
    ) -> Result<TopicIdPartition, ApiError> {
        let topic = self.topic();
        if topic.partition(partition).is_some() {
            return Ok(TopicIdPartition {
                topic_id: self.topic_id,
                partition,
            });
        }
        let message = format!("topic {} has no partition {partition}", topic.name);
        Err(unknown(40402, message))
    }
}

/// The topic of this name.
///
/// # Errors
/// There is none: `error_code`, with status 404. Marked as worth a retry where no controller says so.
pub(super) async fn topic(
    service: &Service,
    name: &TopicName,
    error_code: u32,
) -> Result<FoundTopic, ApiError> {
    if let Some(found) = FoundTopic::in_image(service.image(), name) {
        return Ok(found);
    }
    let elsewhere = known_elsewhere(service, name).await;
    if let Elsewhere::Known(topic_id) = elsewhere {
        let mut images = service.images();
        let arrives = images.wait_for(|image| image.topics.get(topic_id).is_some());
        // Whether it arrived is seen below.
        let _ = tokio::time::timeout(ARRIVAL_TIMEOUT, arrives).await;
    }
    FoundTopic::in_image(service.image(), name).ok_or_else(|| match elsewhere {
        Elsewhere::Unknown => unknown(error_code, format!("topic {name} does not exist")),
        Elsewhere::Known(_) | Elsewhere::Unsaid => {
            let message = format!("this broker has not heard of a topic {name} yet");
            unknown(error_code, message).retriable()
        }
    })
}

/// What the controllers say of a name.
enum Elsewhere {
    /// It is a topic.
    Known(TopicId),
    /// There is none.
    Unknown,
    /// Nothing.
    Unsaid,
}

async fn known_elsewhere(service: &Service, name: &TopicName) -> Elsewhere {
    // Beyond the bound, the own image has to do: unknown names must not become a flood.
    let Ok(_permit) = service.lookups.try_acquire() else {
        return Elsewhere::Unsaid;
    };
    let path = paths::fill(paths::TOPIC, &[name]);
    let asked = service.controllers().try_once::<TopicStatus>(|http, base| {
        http.get(format!("{base}{path}")).timeout(QUESTION_TIMEOUT)
    });
    match tokio::time::timeout(QUESTION_TIMEOUT, asked).await {
        Ok(Ok(known)) => Elsewhere::Known(known.topic_id),
        Ok(Err(CallError::Refused(refusal)))
            if refusal.body.kafka_error == Some(KafkaError::UnknownTopicOrPartition) =>
        {
            Elsewhere::Unknown
        }
        Ok(Err(_)) | Err(_) => Elsewhere::Unsaid,
    }
}

/// 404. Not marked as worth a retry: nothing but a creation makes it better.
fn unknown(error_code: u32, message: String) -> ApiError {
    let mut refusal = ApiError::new(error_code, message);
    refusal.body.kafka_error = Some(KafkaError::UnknownTopicOrPartition);
    refusal
}
