//! How records create and change partitions, and how the epochs are counted.

use trimaran_types::{LeaderEpoch, PartitionEpoch, PartitionIndex, TopicId};

use super::InvalidRecord;
use crate::image::{MetadataImage, PartitionLastChange, PartitionState, TopicImage};
use crate::record::{ChangeOrigin, Partition, PartitionChange};

pub(super) fn create(
    image: &mut MetadataImage,
    record: &Partition,
    origin: ChangeOrigin,
) -> Result<(), InvalidRecord> {
    let (topic_id, partition) = (record.topic_id, record.partition);
    let next = topic(image, topic_id)?.partition_count();
    if usize::try_from(partition.0).ok() != Some(next) {
        return Err(InvalidRecord::PartitionOutOfOrder {
            topic_id,
            partition,
            next,
        });
    }
    let state = PartitionState {
        replicas: record.replicas.clone(),
        directories: record.directories.clone(),
        isr: record.isr.clone(),
        leader: record.leader,
        leader_epoch: record.leader_epoch,
        partition_epoch: record.partition_epoch,
        leader_recovery: record.leader_recovery,
        adding_replicas: record.adding_replicas.clone(),
        removing_replicas: record.removing_replicas.clone(),
        eligible_leader_replicas: record.eligible_leader_replicas.clone(),
        last_known_eligible: record.last_known_eligible.clone(),
        last_change: PartitionLastChange {
            reason: record.reason,
            broker: record.reason_broker,
            origin: record.origin.unwrap_or(origin),
        },
    };
    store(image, topic_id, partition, state)
}

pub(super) fn change(
    image: &mut MetadataImage,
    record: &PartitionChange,
    origin: ChangeOrigin,
) -> Result<(), InvalidRecord> {
    let (topic_id, partition) = (record.topic_id, record.partition);
    let old =
        topic(image, topic_id)?
            .partition(partition)
            .ok_or(InvalidRecord::UnknownPartition {
                topic_id,
                partition,
            })?;
    if record.replicas.is_some() && record.directories.is_none() {
        return Err(InvalidRecord::ReplicasWithoutDirectories {
            topic_id,
            partition,
        });
    }
    let (leader_epoch, partition_epoch) =
        next_epochs(old, record).ok_or(InvalidRecord::EpochsUsedUp {
            topic_id,
            partition,
        })?;
    let state = PartitionState {
        replicas: changed(record.replicas.as_ref(), &old.replicas),
        directories: changed(record.directories.as_ref(), &old.directories),
        isr: changed(record.isr.as_ref(), &old.isr),
        leader: record.leader.unwrap_or(old.leader),
        leader_epoch,
        partition_epoch,
        leader_recovery: record.leader_recovery.unwrap_or(old.leader_recovery),
        adding_replicas: changed(record.adding_replicas.as_ref(), &old.adding_replicas),
        removing_replicas: changed(record.removing_replicas.as_ref(), &old.removing_replicas),
        eligible_leader_replicas: changed(
            record.eligible_leader_replicas.as_ref(),
            &old.eligible_leader_replicas,
        ),
        last_known_eligible: changed(
            record.last_known_eligible.as_ref(),
            &old.last_known_eligible,
        ),
        last_change: PartitionLastChange {
            reason: record.reason,
            broker: record.reason_broker,
            origin,
        },
    };
    store(image, topic_id, partition, state)
}

/// The epochs after `change`; `None` when one cannot grow.
///
/// Kafka's rule (`PartitionRegistration.merge`): every change moves the partition epoch; a change
/// that names a leader, even the same one or none, moves the leader epoch.
fn next_epochs(
    old: &PartitionState,
    change: &PartitionChange,
) -> Option<(LeaderEpoch, PartitionEpoch)> {
    let partition_epoch = old.partition_epoch.0.checked_add(1)?;
    let leader_epoch = old
        .leader_epoch
        .0
        .checked_add(i32::from(change.leader.is_some()))?;
    Some((LeaderEpoch(leader_epoch), PartitionEpoch(partition_epoch)))
}

fn changed<T: Clone>(change: Option<&Vec<T>>, old: &[T]) -> Vec<T> {
    change.map_or_else(|| old.to_vec(), Clone::clone)
}

fn topic(image: &MetadataImage, topic_id: TopicId) -> Result<&TopicImage, InvalidRecord> {
    image
        .topics
        .get(topic_id)
        .ok_or(InvalidRecord::UnknownTopic { topic_id })
}

fn store(
    image: &mut MetadataImage,
    topic_id: TopicId,
    partition: PartitionIndex,
    state: PartitionState,
) -> Result<(), InvalidRecord> {
    state.validate().map_err(|cause| InvalidRecord::Partition {
        topic_id,
        partition,
        cause,
    })?;
    if let Some(broker) = state.leader
        && image.brokers.get(broker).is_none()
    {
        return Err(InvalidRecord::UnknownBroker { broker });
    }
    image
        .topics
        .get_mut(topic_id)
        .ok_or(InvalidRecord::UnknownTopic { topic_id })?
        .set_partition(partition, state);
    Ok(())
}
