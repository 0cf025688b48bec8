//! Which partitions a broker's coming or going touches, and how.
//!
//! Walks every partition: milliseconds at 100,000 of them, once each time a broker changes state.

use trimaran_metadata::record::PartitionChange;
use trimaran_metadata::{ChangeReason, MetadataImage, PartitionRef};
use trimaran_types::{BrokerId, TopicName};

use super::change_builder::ChangeBuilder;
use super::election::has_its_directory;
use crate::decide::budget::RecordBudget;

/// What a departing broker may have lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::decide) enum Loss {
    /// Nothing: it was cut off, or stopped cleanly.
    Nothing,
    /// What was not synced: its process ended without a clean stop.
    Unsynced,
    /// Everything: it will not come back.
    Everything,
}

/// The changes of the partitions that `broker` can no longer serve as before, in `view`, which shows
/// it as it will be; the flag says whether all fitted into `budget`.
///
/// It leaves every ISR unless `view` shows it as active, with the directory in place. Replicas whose directory is gone are lost, whatever `loss` says.
pub(in crate::decide) fn changes_of_departure(
    view: &MetadataImage,
    broker: BrokerId,
    loss: Loss,
    reason: ChangeReason,
    budget: &mut RecordBudget,
) -> (Vec<PartitionChange>, bool) {
    let changes = view.partitions_hosted_on(broker).filter_map(|found| {
        let state = found.state;
        if !state.isr.contains(&broker) && !state.eligible_leader_replicas.contains(&broker) {
            return None;
        }
        let disk_is_gone = !has_its_directory(&view.brokers, state, broker);
        let is_lost = disk_is_gone
            || match loss {
                Loss::Nothing => false,
                Loss::Unsynced => !crash_keeps_acknowledged(view, &found.topic.name),
                Loss::Everything => true,
            };
        let reason = match reason {
            ChangeReason::BrokerFenced | ChangeReason::ReplicaUncleanRestart if disk_is_gone => {
                ChangeReason::DiskReplaced
            }
            other => other,
        };
        let builder = ChangeBuilder::new(view, found, reason, Some(broker));
        if is_lost {
            builder.with_lost(broker).build()
        } else {
            builder.build()
        }
    });
    take_what_fits(changes, budget)
}

/// The elections that the return of `broker` makes possible; the flag says whether all fitted.
///
/// Only partitions without a leader: who comes back takes no leadership from anybody.
pub(in crate::decide) fn changes_of_return(
    view: &MetadataImage,
    broker: BrokerId,
    budget: &mut RecordBudget,
) -> (Vec<PartitionChange>, bool) {
    let leaderless = |found: &PartitionRef<'_>| {
        found.state.leader.is_none() && found.state.replicas.contains(&broker)
    };
    let changes = view.partitions().filter(leaderless).filter_map(|found| {
        ChangeBuilder::new(view, found, ChangeReason::BrokerUnfenced, Some(broker)).build()
    });
    take_what_fits(changes, budget)
}

/// Whether whatever was acknowledged on this topic survives the crash of a process or machine:
/// when every batch is synced before it is acknowledged, which is the default.
///
/// Such a replica has lost nothing below the high watermark, so it stays eligible; the power failing
/// everywhere at once then leaves more than one replica to go on with.
fn crash_keeps_acknowledged(view: &MetadataImage, topic: &TopicName) -> bool {
    view.effective_config(topic, "flush.messages")
        .is_none_or(|messages| messages == "1")
}

pub(super) fn take_what_fits(
    changes: impl Iterator<Item = PartitionChange>,
    budget: &mut RecordBudget,
) -> (Vec<PartitionChange>, bool) {
    let mut taken = Vec::new();
    for change in changes {
        if !budget.take_change(&change) {
            return (taken, false);
        }
        taken.push(change);
    }
    (taken, true)
}

#[cfg(test)]
mod fallout_test;
