//! What a broker says of single replicas: that their log is damaged or gone, or there after all.
//!
//! A damaged replica leaves the ISR and the eligible leader replicas in one decision with the
//! election that follows, and is marked as lost (KIP-858): the mark is in the log, so no later
//! controller elects it, whatever it has heard. It goes when the replica enters the ISR again. Where
//! nobody else may lead, the partition is left without a leader and remembers who led last.
//!
//! What its leader knows of a replica's position was told by the log that is given up. It must not
//! let the empty log that takes its place into the ISR, so a replica that has fetched under its
//! broker's registration costs a new leader epoch, which knows nothing.

use std::collections::{BTreeMap, BTreeSet};

use trimaran_api::controller::{HeartbeatRequest, REPLICAS_REPORTED_MAX};
use trimaran_metadata::record::PartitionChange;
use trimaran_metadata::{ChangeReason, MetadataImage, PartitionRef};
use trimaran_types::{BrokerId, DirectoryId, LeaderEpoch, TopicIdPartition};

use super::change_builder::ChangeBuilder;
use super::election::is_marked_lost;
use super::fallout::take_what_fits;
use crate::decide::budget::RecordBudget;

/// The changes that the reports of one heartbeat make necessary, as many as fit into `budget`: to be
/// asked for until there is none. None for what is known already, and for partitions that the broker
/// does not host.
///
/// Of each list, only the first [`REPLICAS_REPORTED_MAX`] count.
pub(in crate::decide) fn changes_of_reports(
    view: &MetadataImage,
    request: &HeartbeatRequest,
    budget: &mut RecordBudget,
) -> Vec<PartitionChange> {
    let broker = request.broker_id;
    let damaged: BTreeMap<TopicIdPartition, Option<LeaderEpoch>> = request
        .damaged_replicas
        .iter()
        .take(REPLICAS_REPORTED_MAX)
        .map(|replica| (replica.partition, replica.served_up_to))
        .collect();
    let restored: BTreeSet<TopicIdPartition> = request
        .restored_replicas
        .iter()
        .take(REPLICAS_REPORTED_MAX)
        .filter(|partition| !damaged.contains_key(partition))
        .copied()
        .collect();
    let hosted = |partition: &TopicIdPartition| find(view, *partition, broker);
    let given_up = damaged.iter().filter_map(|(partition, served_up_to)| {
        give_up(view, hosted(partition)?, broker, *served_up_to)
    });
    let taken_back = restored
        .iter()
        .filter_map(hosted)
        .filter_map(|found| take_back(view, found, broker));
    take_what_fits(given_up.chain(taken_back), budget).0
}

fn find(view: &MetadataImage, id: TopicIdPartition, broker: BrokerId) -> Option<PartitionRef<'_>> {
    let topic = view.topics.get(id.topic_id)?;
    let partition = id.partition;
    let state = topic.partition(partition)?;
    state.replicas.contains(&broker).then_some(PartitionRef {
        topic,
        partition,
        state,
    })
}

fn give_up(
    view: &MetadataImage,
    found: PartitionRef<'_>,
    broker: BrokerId,
    served_up_to: Option<LeaderEpoch>,
) -> Option<PartitionChange> {
    let state = found.state;
    let is_believed = served_up_to.is_some_and(|epoch| epoch >= state.leader_epoch);
    let is_known = !is_believed
        && is_marked_lost(state, broker)
        && !state.isr.contains(&broker)
        && !state.eligible_leader_replicas.contains(&broker);
    if is_known {
        return None;
    }
    let builder = ChangeBuilder::new(view, found, ChangeReason::ReplicaDamaged, Some(broker))
        .with_damaged(broker);
    if is_believed {
        builder.with_new_epoch().build()
    } else {
        builder.build()
    }
}

/// Only of the replica that led last, where nobody leads: everybody else fetches what it lacks.
fn take_back(
    view: &MetadataImage,
    found: PartitionRef<'_>,
    broker: BrokerId,
) -> Option<PartitionChange> {
    let state = found.state;
    let is_awaited = state.leader.is_none() && state.last_known_eligible.contains(&broker);
    if !is_awaited || !is_marked_lost(state, broker) {
        return None;
    }
    let directory = view.brokers.get(broker)?.directories.first().copied()?;
    let mut there = state.clone();
    for (replica, recorded) in there.replicas.iter().zip(&mut there.directories) {
        if *replica == broker && *recorded == DirectoryId::LOST {
            *recorded = directory;
        }
    }
    let reason = ChangeReason::ReplicaRestored;
    let changed = PartitionRef {
        state: &there,
        ..found
    };
    let change = ChangeBuilder::new(view, changed, reason, Some(broker)).build();
    let mut change = change.unwrap_or_else(|| PartitionChange {
        reason_broker: Some(broker),
        ..PartitionChange::new(found.topic.topic_id, found.partition, reason)
    });
    change.directories = Some(there.directories);
    Some(change)
}

#[cfg(test)]
mod damage_test;
