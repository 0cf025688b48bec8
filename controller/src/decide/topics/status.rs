//! [`topic_status`]: a topic as people read it, with the reason of each partition's state.

use trimaran_api::controller::{PartitionStatus, TopicStatus};
use trimaran_metadata::{MetadataImage, PartitionState, TopicImage};
use trimaran_types::PartitionIndex;

/// The topic as it is in `view`.
#[must_use]
pub fn topic_status(view: &MetadataImage, topic: &TopicImage) -> TopicStatus {
    let partitions = topic.partitions();
    status(
        view,
        topic,
        partitions.map(|(index, state)| partition_status(index, state)),
    )
}

/// The same with no partition but this one, and without it where the topic does not have it.
#[must_use]
pub fn topic_status_with(
    view: &MetadataImage,
    topic: &TopicImage,
    partition: PartitionIndex,
) -> TopicStatus {
    let found = topic.partition(partition);
    let status_of = |state: &PartitionState| partition_status(partition, state);
    status(view, topic, found.map(status_of).into_iter())
}

fn status(
    view: &MetadataImage,
    topic: &TopicImage,
    partitions: impl Iterator<Item = PartitionStatus>,
) -> TopicStatus {
    let settings = view.configs.topic(&topic.name);
    TopicStatus {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        configs: settings
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        partitions: partitions.collect(),
    }
}

fn partition_status(partition: PartitionIndex, state: &PartitionState) -> PartitionStatus {
    let change = state.last_change;
    let last_change = match change.broker {
        Some(broker) => format!("{} (broker {broker})", change.reason),
        None => change.reason.to_string(),
    };
    PartitionStatus {
        partition,
        leader: state.leader,
        leader_epoch: state.leader_epoch,
        partition_epoch: state.partition_epoch,
        replicas: state.replicas.clone(),
        isr: state.isr.clone(),
        eligible_leader_replicas: state.eligible_leader_replicas.clone(),
        last_change: Some(last_change),
    }
}
