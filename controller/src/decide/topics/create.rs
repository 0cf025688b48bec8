//! [`create_topic`]: a topic, its partitions and its settings, all in one entry.

use trimaran_api::controller::{CreateTopicRequest, CreateTopicResponse};
use trimaran_metadata::record::{Config, ConfigResourceType, Partition, Topic};
use trimaran_metadata::{ChangeReason, LeaderRecovery, MetadataImage, MetadataRecord};
use trimaran_types::{
    BrokerId, DirectoryId, KafkaError, LeaderEpoch, PartitionEpoch, PartitionIndex, TopicId,
    TopicName,
};

use super::directory_room::DirectoryRoom;
use super::status::topic_status;
use super::{assignment, configs};
use crate::decide::budget::RecordBudget;
use crate::decide::{Decision, Refusal};

/// Creates a topic under an id that the caller drew; the seed decides the placement.
///
/// With `validate_only` the answer is what it would have been, and there are no records.
///
/// # Errors
/// A name that is illegal, taken or would be mistaken for another; numbers, assignments or settings
/// that cannot be; a topic too large for one entry. Each under Kafka's code.
pub fn create_topic(
    view: &MetadataImage,
    request: &CreateTopicRequest,
    topic_id: TopicId,
    seed: u64,
) -> Result<Decision<CreateTopicResponse>, Refusal> {
    let name = check_name(view, &request.name)?;
    let settings = configs::check(&request.configs)?;
    let assignments = assignment::assign(view, request, seed)?;
    let mut records = vec![MetadataRecord::from(Topic {
        name: name.clone(),
        topic_id,
    })];
    let mut room = DirectoryRoom::new(view);
    for (partition, replicas) in (0..).map(PartitionIndex).zip(assignments) {
        records.push(new_partition(&mut room, topic_id, partition, replicas)?.into());
    }
    records.extend(settings.into_iter().map(|(key, value)| {
        MetadataRecord::from(Config {
            resource_type: ConfigResourceType::Topic,
            resource_name: name.to_string(),
            name: key.to_owned(),
            value: Some(value.to_owned()),
        })
    }));
    check_size(&name, &records)?;
    let impossible = |cause: String| Refusal::new(KafkaError::UnknownServerError, cause);
    let after = view
        .replay_pending(&records)
        .map_err(|cause| impossible(cause.to_string()))?;
    let topic = after
        .topics
        .get(topic_id)
        .ok_or_else(|| impossible(format!("topic {name} vanished while it was created")))?;
    let response = CreateTopicResponse {
        topic: topic_status(&after, topic),
    };
    if request.validate_only {
        records.clear();
    }
    Ok(Decision { records, response })
}

fn check_name(view: &MetadataImage, name: &str) -> Result<TopicName, Refusal> {
    let name = TopicName::new(name)
        .map_err(|invalid| Refusal::new(KafkaError::InvalidTopicException, invalid.to_string()))?;
    match view.topics.colliding_name(&name) {
        None => Ok(name),
        Some(existing) if *existing == name => Err(Refusal::new(
            KafkaError::TopicAlreadyExists,
            format!("Topic '{name}' already exists."),
        )),
        Some(existing) => Err(Refusal::new(
            KafkaError::InvalidTopicException,
            format!("topic '{name}' collides with the existing topic '{existing}'"),
        )),
    }
}

/// The ISR is who is in service now; the first of them leads.
fn new_partition(
    room: &mut DirectoryRoom<'_>,
    topic_id: TopicId,
    partition: PartitionIndex,
    replicas: Vec<BrokerId>,
) -> Result<Partition, Refusal> {
    let directories: Vec<DirectoryId> = replicas
        .iter()
        .filter_map(|replica| room.take_emptiest(*replica))
        .collect();
    let isr: Vec<BrokerId> = replicas
        .iter()
        .copied()
        .filter(|replica| room.view().brokers.is_active(*replica))
        .collect();
    let Some(leader) = isr.first().copied() else {
        return Err(Refusal::new(
            KafkaError::InvalidReplicationFactor,
            format!("no broker in service for partition {partition}"),
        ));
    };
    Ok(Partition {
        topic_id,
        partition,
        replicas,
        directories,
        isr,
        leader: Some(leader),
        leader_epoch: LeaderEpoch::FIRST,
        partition_epoch: PartitionEpoch::FIRST,
        leader_recovery: LeaderRecovery::Recovered,
        adding_replicas: Vec::new(),
        removing_replicas: Vec::new(),
        eligible_leader_replicas: Vec::new(),
        last_known_eligible: Vec::new(),
        reason: ChangeReason::Created,
        reason_broker: None,
        origin: None,
    })
}

/// A topic is created, or changed, whole or not at all, so it must fit into one entry (Kafka: POLICY_VIOLATION).
pub(super) fn check_size(name: &TopicName, records: &[MetadataRecord]) -> Result<(), Refusal> {
    let mut budget = RecordBudget::of_an_entry();
    if records.iter().all(|record| budget.take(record)) {
        return Ok(());
    }
    Err(Refusal::new(
        KafkaError::PolicyViolation,
        format!("topic '{name}' has more replicas than one change of the metadata log can hold"),
    ))
}

#[cfg(test)]
mod create_test;
