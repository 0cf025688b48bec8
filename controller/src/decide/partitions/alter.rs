//! [`alter_partitions`]: leaders ask for another ISR (Kafka's AlterPartition, KIP-497).
//!
//! The checks run in Kafka's order; the order is part of the contract, as leaders act on the error.
//! Asking says that the leader has recovered, if it had to: the request carries no recovery state,
//! so Kafka's rule on it cannot be broken.

use trimaran_api::controller::{
    AlterPartitionsRequest, AlterPartitionsResponse, IsrMember, PartitionAlteration,
    PartitionAlterationResult,
};
use trimaran_metadata::record::PartitionChange;
use trimaran_metadata::{
    ChangeReason, MetadataImage, MetadataRecord, PartitionRef, PartitionState,
};
use trimaran_types::{BrokerId, KafkaError, LeaderEpoch, PartitionEpoch};

use super::change_builder::ChangeBuilder;
use crate::decide::brokers::registered_under;
use crate::decide::budget::RecordBudget;
use crate::decide::{Decision, Refusal};

/// Judges every change by itself; the answer has one result for each, in order.
///
/// What does not fit into one entry is answered with a retriable error.
///
/// # Errors
/// The sender is not registered under the epoch that it names: it must register anew.
pub fn alter_partitions(
    view: &MetadataImage,
    request: &AlterPartitionsRequest,
) -> Result<Decision<AlterPartitionsResponse>, Refusal> {
    alter_within(view, request, RecordBudget::of_a_part())
}

fn alter_within(
    view: &MetadataImage,
    request: &AlterPartitionsRequest,
    mut budget: RecordBudget,
) -> Result<Decision<AlterPartitionsResponse>, Refusal> {
    registered_under(view, request.broker_id, request.broker_epoch)?;
    // Changes of one request see each other, should it name a partition twice.
    let mut view = view.clone();
    let mut records = Vec::new();
    let mut partitions = Vec::with_capacity(request.partitions.len());
    for alteration in &request.partitions {
        let judged = judge(&view, request.broker_id, alteration);
        let record = match judged {
            Ok(change) => MetadataRecord::from(change),
            Err(error) => {
                partitions.push(result(&view, alteration, Some(error)));
                continue;
            }
        };
        if !budget.take(&record) {
            partitions.push(result(&view, alteration, Some(KafkaError::RequestTimedOut)));
            continue;
        }
        let Ok(next) = view.replay_pending(std::slice::from_ref(&record)) else {
            partitions.push(result(
                &view,
                alteration,
                Some(KafkaError::UnknownServerError),
            ));
            continue;
        };
        view = next;
        records.push(record);
        let error = deposed(&view, request.broker_id, alteration);
        partitions.push(result(&view, alteration, error));
    }
    Ok(Decision {
        records,
        response: AlterPartitionsResponse { partitions },
    })
}

/// The change that is asked for.
///
/// Where all is so already it changes nothing but the partition epoch. A leader asks for that when
/// an earlier request of its own had no answer: it must not be carried out after this one.
fn judge(
    view: &MetadataImage,
    sender: BrokerId,
    alteration: &PartitionAlteration,
) -> Result<PartitionChange, KafkaError> {
    let topic = view
        .topics
        .get(alteration.partition.topic_id)
        .ok_or(KafkaError::UnknownTopicId)?;
    let partition = alteration.partition.partition;
    let state = topic
        .partition(partition)
        .ok_or(KafkaError::UnknownTopicOrPartition)?;
    check_epochs_and_sender(state, sender, alteration)?;
    check_members(state, sender, &alteration.new_isr)?;
    for member in &alteration.new_isr {
        check_eligible(view, member)?;
    }
    let isr: Vec<BrokerId> = alteration
        .new_isr
        .iter()
        .map(|member| member.broker_id)
        .collect();
    let (reason, reason_broker) = reason(state, &isr);
    let found = PartitionRef {
        topic,
        partition,
        state,
    };
    let change = ChangeBuilder::new(view, found, reason, reason_broker)
        .with_isr(isr)
        .with_recovered_leader()
        .build();
    Ok(change.unwrap_or_else(|| PartitionChange {
        reason_broker: Some(sender),
        ..PartitionChange::new(topic.topic_id, partition, ChangeReason::IsrConfirmed)
    }))
}

fn check_epochs_and_sender(
    state: &PartitionState,
    sender: BrokerId,
    alteration: &PartitionAlteration,
) -> Result<(), KafkaError> {
    if alteration.leader_epoch > state.leader_epoch
        || alteration.partition_epoch > state.partition_epoch
    {
        // The sender knows more than this controller: which is the one that is out of date.
        return Err(KafkaError::NotController);
    }
    if alteration.leader_epoch < state.leader_epoch {
        return Err(KafkaError::FencedLeaderEpoch);
    }
    if state.leader != Some(sender) {
        return Err(KafkaError::InvalidRequest);
    }
    if alteration.partition_epoch < state.partition_epoch {
        return Err(KafkaError::InvalidUpdateVersion);
    }
    Ok(())
}

fn check_members(
    state: &PartitionState,
    sender: BrokerId,
    members: &[IsrMember],
) -> Result<(), KafkaError> {
    let is_new = |place: usize, id: BrokerId| {
        members
            .iter()
            .take(place)
            .all(|earlier| earlier.broker_id != id)
    };
    let all_replicas = members.len() <= state.replicas.len()
        && members.iter().enumerate().all(|(place, member)| {
            state.replicas.contains(&member.broker_id) && is_new(place, member.broker_id)
        });
    let has_leader = members.iter().any(|member| member.broker_id == sender);
    if all_replicas && has_leader {
        Ok(())
    } else {
        Err(KafkaError::InvalidRequest)
    }
}

/// The broker epoch is that of the follower's own fetch: it keeps a leader with old news from
/// letting in a broker that restarted with an empty disk (KIP-903), or that is fenced (KIP-841).
fn check_eligible(view: &MetadataImage, member: &IsrMember) -> Result<(), KafkaError> {
    let eligible = view.brokers.get(member.broker_id).is_some_and(|broker| {
        broker.is_active()
            && !broker.directories.is_empty()
            && member
                .broker_epoch
                .is_none_or(|epoch| epoch == broker.broker_epoch)
    });
    if eligible {
        Ok(())
    } else {
        Err(KafkaError::IneligibleReplica)
    }
}

fn reason(state: &PartitionState, isr: &[BrokerId]) -> (ChangeReason, Option<BrokerId>) {
    let entered = isr.iter().find(|member| !state.isr.contains(member));
    let left = state.isr.iter().find(|member| !isr.contains(member));
    match (entered, left) {
        (Some(entered), _) => (ChangeReason::IsrExpanded, Some(*entered)),
        (None, Some(left)) => (ChangeReason::IsrShrunkByLag, Some(*left)),
        (None, None) => (ChangeReason::LeaderRecovered, state.leader),
    }
}

/// The change was made, and its sender is not the leader any more.
fn deposed(
    view: &MetadataImage,
    sender: BrokerId,
    alteration: &PartitionAlteration,
) -> Option<KafkaError> {
    let leader = view.partition(alteration.partition)?.leader;
    (leader != Some(sender)).then_some(KafkaError::NewLeaderElected)
}

/// The partition as it is in `view`, so that the leader can go on before it hears from the log.
///
/// Of an unknown partition nothing is known: no leader, no ISR, and the sender's own epochs.
fn result(
    view: &MetadataImage,
    alteration: &PartitionAlteration,
    error: Option<KafkaError>,
) -> PartitionAlterationResult {
    let state = view.partition(alteration.partition);
    let epochs = state.map_or(
        (alteration.leader_epoch, alteration.partition_epoch),
        |state| -> (LeaderEpoch, PartitionEpoch) { (state.leader_epoch, state.partition_epoch) },
    );
    PartitionAlterationResult {
        partition: alteration.partition,
        error,
        leader: state.and_then(|state| state.leader),
        leader_epoch: epochs.0,
        isr: state.map_or_else(Vec::new, |state| state.isr.clone()),
        partition_epoch: epochs.1,
    }
}

#[cfg(test)]
mod alter_test;
