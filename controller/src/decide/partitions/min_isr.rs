//! [`changes_of_min_isr`]: what another minimum ISR means for a topic's partitions.

use trimaran_metadata::record::PartitionChange;
use trimaran_metadata::{ChangeReason, MetadataImage};
use trimaran_types::TopicName;

use super::change_builder::ChangeBuilder;

/// The changes of the partitions whose ISR is not below the minimum any more: nobody outside it is
/// an eligible leader replica then. `view` shows the minimum as it will be.
///
/// They belong into the entry that lowers the minimum: a leader that has heard of it may move its
/// high watermark at once.
pub(in crate::decide) fn changes_of_min_isr(
    view: &MetadataImage,
    topic: &TopicName,
) -> Vec<PartitionChange> {
    view.partitions()
        .filter(|found| found.topic.name == *topic)
        .filter(|found| !found.state.eligible_leader_replicas.is_empty())
        .filter_map(|found| {
            ChangeBuilder::new(view, found, ChangeReason::MinIsrLowered, None).build()
        })
        .collect()
}
