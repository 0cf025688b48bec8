//! Which brokers hold each partition of a new topic: placed, or as the request says.

use std::collections::BTreeMap;

use trimaran_api::controller::CreateTopicRequest;
use trimaran_metadata::MetadataImage;
use trimaran_types::limits::{REPLICATION_FACTOR_MAX, TOPIC_PARTITIONS_MAX};
use trimaran_types::{BrokerId, KafkaError, PartitionIndex};

use super::placement::{Placer, UsableBroker};
use crate::decide::Refusal;

/// Partitions of a topic where neither the request nor the cluster says.
const PARTITIONS_DEFAULT: i64 = 1;
/// Replicas of a partition where neither the request nor the cluster says.
const REPLICATION_FACTOR_DEFAULT: i64 = 3;
/// Kafka's clients write "use the default" so.
const ASK_FOR_DEFAULT: i64 = -1;

/// The replicas of partition 0, 1, .., each with its preferred leader first.
pub(super) fn assign(
    view: &MetadataImage,
    request: &CreateTopicRequest,
    seed: u64,
) -> Result<Vec<Vec<BrokerId>>, Refusal> {
    match &request.assignments {
        Some(assignments) => {
            if given(request.partitions)
                .or(given(request.replication_factor))
                .is_some()
            {
                return Err(Refusal::new(
                    KafkaError::InvalidRequest,
                    "assignments exclude a number of partitions and a replication factor",
                ));
            }
            as_requested(view, assignments)
        }
        None => placed(view, request, seed),
    }
}

fn given(number: Option<i64>) -> Option<i64> {
    number.filter(|number| *number != ASK_FOR_DEFAULT)
}

fn placed(
    view: &MetadataImage,
    request: &CreateTopicRequest,
    seed: u64,
) -> Result<Vec<Vec<BrokerId>>, Refusal> {
    let brokers = usable_brokers(view);
    let partitions = given(request.partitions)
        .unwrap_or_else(|| cluster_default(view, "num.partitions", PARTITIONS_DEFAULT));
    let partitions = u32::try_from(partitions)
        .ok()
        .filter(|count| (1..=TOPIC_PARTITIONS_MAX).contains(count))
        .ok_or_else(|| {
            let expected = format!("expected 1 to {TOPIC_PARTITIONS_MAX}");
            Refusal::new(
                KafkaError::InvalidPartitions,
                format!("{partitions} partitions, {expected}"),
            )
        })?;
    let invalid_factor = |message| Refusal::new(KafkaError::InvalidReplicationFactor, message);
    let replicas = given(request.replication_factor).unwrap_or_else(|| {
        let factor = cluster_default(
            view,
            "default.replication.factor",
            REPLICATION_FACTOR_DEFAULT,
        );
        // The default is limited by the brokers; what was asked for is not.
        factor
            .min(i64::try_from(brokers.len()).unwrap_or(i64::MAX))
            .max(1)
    });
    let replicas = u16::try_from(replicas)
        .ok()
        .filter(|count| (1..=REPLICATION_FACTOR_MAX).contains(count))
        .ok_or_else(|| {
            let expected = format!("expected 1 to {REPLICATION_FACTOR_MAX}");
            invalid_factor(format!("replication factor {replicas}, {expected}"))
        })?;
    let mut placer = Placer::new(&brokers, seed);
    (0..partitions)
        .map(|_| placer.next(usize::from(replicas)))
        .collect::<Result<_, _>>()
        .map_err(|error| invalid_factor(error.to_string()))
}

fn cluster_default(view: &MetadataImage, key: &str, built_in: i64) -> i64 {
    let set = view.configs.cluster().find(|(name, _)| *name == key);
    set.and_then(|(_, value)| value.parse().ok())
        .unwrap_or(built_in)
}

/// Everyone registered who is not on the way out; the fenced ones may follow.
fn usable_brokers(view: &MetadataImage) -> Vec<UsableBroker> {
    view.brokers
        .iter()
        .filter(|broker| !broker.in_controlled_shutdown && !broker.directories.is_empty())
        .map(|broker| UsableBroker {
            id: broker.broker_id,
            rack: broker.rack.clone(),
            fenced: broker.fenced,
        })
        .collect()
}

fn as_requested(
    view: &MetadataImage,
    assignments: &BTreeMap<PartitionIndex, Vec<BrokerId>>,
) -> Result<Vec<Vec<BrokerId>>, Refusal> {
    let count = assignments.len();
    if count == 0 || u32::try_from(count).is_ok_and(|count| count > TOPIC_PARTITIONS_MAX) {
        return Err(Refusal::new(
            KafkaError::InvalidPartitions,
            format!("{count} assignments, expected 1 to {TOPIC_PARTITIONS_MAX}"),
        ));
    }
    let mut factor = None;
    for (expected, (partition, replicas)) in (0..).zip(assignments) {
        if partition.0 != expected {
            return Err(invalid_assignment(format!(
                "assignment of partition {partition} found where partition {expected} comes next"
            )));
        }
        let factor = *factor.get_or_insert(replicas.len());
        if replicas.len() != factor {
            let found = replicas.len();
            return Err(invalid_assignment(format!(
                "partition {partition} has {found} replicas, the ones before have {factor}"
            )));
        }
        check_replicas(view, *partition, replicas)?;
    }
    Ok(assignments.values().cloned().collect())
}

fn check_replicas(
    view: &MetadataImage,
    partition: PartitionIndex,
    replicas: &[BrokerId],
) -> Result<(), Refusal> {
    if replicas.is_empty() || replicas.len() > usize::from(REPLICATION_FACTOR_MAX) {
        let count = replicas.len();
        return Err(invalid_assignment(format!(
            "partition {partition} has {count} replicas, expected 1 to {REPLICATION_FACTOR_MAX}"
        )));
    }
    for (place, replica) in replicas.iter().enumerate() {
        if replicas
            .iter()
            .take(place)
            .any(|earlier| earlier == replica)
        {
            return Err(invalid_assignment(format!(
                "partition {partition} names broker {replica} twice"
            )));
        }
        if view
            .brokers
            .get(*replica)
            .is_none_or(|broker| broker.directories.is_empty())
        {
            return Err(invalid_assignment(format!(
                "partition {partition} names broker {replica}, which is not registered"
            )));
        }
    }
    if !replicas
        .iter()
        .any(|replica| view.brokers.is_active(*replica))
    {
        return Err(invalid_assignment(format!(
            "all brokers of partition {partition} are fenced or shutting down"
        )));
    }
    Ok(())
}

fn invalid_assignment(message: String) -> Refusal {
    Refusal::new(KafkaError::InvalidReplicaAssignment, message)
}
