//! [`Changes`]: what a difference between two images means for one broker's replicas. Pure.

use std::collections::BTreeSet;

use trimaran_metadata::{ImageDelta, MetadataImage};
use trimaran_types::{BrokerId, TopicIdPartition};

/// Replicas of one broker that a newer image concerns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// A committed record ended them: their topic was deleted, or they were moved elsewhere.
    pub(super) ended: Vec<TopicIdPartition>,
    /// Their state, their settings or a broker that hosts them has changed.
    pub(super) touched: BTreeSet<TopicIdPartition>,
}

/// What differs for broker `own`.
pub(super) fn changes(
    delta: &ImageDelta,
    old: &MetadataImage,
    new: &MetadataImage,
    own: BrokerId,
) -> Changes {
    let mut found = Changes::default();
    for change in &delta.partitions {
        let hosted = |state: &Option<std::sync::Arc<trimaran_metadata::PartitionState>>| {
            state
                .as_ref()
                .is_some_and(|state| state.replicas.contains(&own))
        };
        if hosted(&change.new) {
            found.touched.insert(change.partition);
        } else if hosted(&change.old) {
            found.ended.push(change.partition);
        }
    }
    let settings_changed = delta.cluster_config || !delta.topic_configs.is_empty();
    if settings_changed || !delta.brokers.is_empty() {
        let brokers: BTreeSet<BrokerId> = delta
            .brokers
            .iter()
            .map(|change| change.broker_id)
            .collect();
        let concerned = new.partitions_hosted_on(own).filter(|found| {
            delta.cluster_config
                || delta.topic_configs.contains(&found.topic.name)
                || found
                    .state
                    .replicas
                    .iter()
                    .any(|replica| brokers.contains(replica))
        });
        found.touched.extend(concerned.map(|found| found.id()));
    }
    debug_assert!(found.ended.iter().all(|id| old.partition(*id).is_some()));
    found
}
