//! What a broker says of replicas that find no room on their disk: another member of the ISR leads.
//!
//! A leader without room refuses every append, while the log that it has is whole: it stays in the
//! ISR, as a follower, and leaves it by its lag if it cannot append there either. Nobody outside the
//! ISR is chosen for it, and nobody who lacks room: where no member has any, the leader stays, so
//! that a leadership does not go round among full disks.
//!
//! Who lacks room is soft: each heartbeat says it anew, and a new active controller knows it after
//! the first one of each broker. Elections for any other reason do not look at it; a leader that they
//! have made of a replica without room is replaced at its next heartbeat.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use trimaran_api::controller::{HeartbeatRequest, REPLICAS_REPORTED_MAX};
use trimaran_metadata::record::PartitionChange;
use trimaran_metadata::{ChangeReason, MetadataImage, PartitionRef};
use trimaran_types::{BrokerId, TopicIdPartition};

use super::change_builder::ChangeBuilder;
use super::fallout::take_what_fits;
use crate::decide::budget::RecordBudget;

/// Which replicas lack room, as their brokers last said. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LackingRoom(BTreeMap<BrokerId, Arc<BTreeSet<TopicIdPartition>>>);

impl LackingRoom {
    /// Takes in what a heartbeat said, in the place of what the one before it did. Of the list, only
    /// the first [`REPLICAS_REPORTED_MAX`] count.
    pub fn said(&mut self, broker: BrokerId, partitions: &[TopicIdPartition]) {
        if partitions.is_empty() {
            self.0.remove(&broker);
            return;
        }
        let told = partitions.iter().take(REPLICAS_REPORTED_MAX).copied();
        self.0.insert(broker, Arc::new(told.collect()));
    }

    /// Forgets what every broker said.
    pub fn forget_all(&mut self) {
        self.0.clear();
    }

    /// A full list says that there may be more, so it stands for all.
    fn has(&self, broker: BrokerId, partition: TopicIdPartition) -> bool {
        self.0
            .get(&broker)
            .is_some_and(|told| told.len() >= REPLICAS_REPORTED_MAX || told.contains(&partition))
    }
}

/// The changes that give the partitions which the broker leads without room to a member of the ISR
/// that has some, as many as fit into `budget`: to be asked for until there is none.
pub(in crate::decide) fn changes_for_room(
    view: &MetadataImage,
    request: &HeartbeatRequest,
    lacking: &LackingRoom,
    budget: &mut RecordBudget,
) -> Vec<PartitionChange> {
    let broker = request.broker_id;
    let reported = request.replicas_lacking_room.iter();
    let reported: BTreeSet<_> = reported.take(REPLICAS_REPORTED_MAX).copied().collect();
    let changes = reported.into_iter().filter_map(|id| {
        let topic = view.topics.get(id.topic_id)?;
        let partition = id.partition;
        let state = topic.partition(partition)?;
        let found = PartitionRef {
            topic,
            partition,
            state,
        };
        (state.leader == Some(broker)).then_some(())?;
        hand_over(view, found, broker, lacking)
    });
    take_what_fits(changes, budget).0
}

fn hand_over(
    view: &MetadataImage,
    found: PartitionRef<'_>,
    broker: BrokerId,
    lacking: &LackingRoom,
) -> Option<PartitionChange> {
    let (state, id) = (found.state, found.id());
    let has_room = |replica: &&BrokerId| {
        **replica != broker && state.isr.contains(replica) && !lacking.has(**replica, id)
    };
    state.replicas.iter().filter(has_room).find_map(|replica| {
        let change = ChangeBuilder::new(view, found, ChangeReason::Elected, Some(broker))
            .with_leader(*replica)
            .build()?;
        (change.leader == Some(Some(*replica))).then_some(change)
    })
}

#[cfg(test)]
mod room_test;
