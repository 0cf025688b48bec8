//! The controllers, as one: an image that changes under a lock, and ISR changes.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::State;
use axum::response::IntoResponse;
use tokio::sync::watch;
use trimaran_api::body;
use trimaran_api::controller::{
    AlterPartitionsRequest, AlterPartitionsResponse, PartitionAlterationResult,
};
use trimaran_metadata::record::PartitionChange;
use trimaran_metadata::{ChangeReason, MetadataImage, MetadataRecord};
use trimaran_types::{BrokerId, DirectoryId, LeaderEpoch, PartitionEpoch, TopicIdPartition};
use uuid::Uuid;

use super::pair::msgpack;
use crate::session::DamageReport;

/// The controllers: one image, changed under a lock and published.
pub(super) struct Quorum {
    pub(super) image: watch::Sender<Arc<MetadataImage>>,
    pub(super) changing: Mutex<u128>,
}

impl Quorum {
    pub(super) fn change(&self, records: &[MetadataRecord]) {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.image.borrow().replay_pending(records).unwrap();
        self.image.send_replace(Arc::new(next));
    }

    pub(super) fn fresh_uuid(&self) -> Uuid {
        let mut last = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        *last += 1;
        Uuid::from_u128(*last)
    }

    /// Reports of damaged replicas, as the controllers decide on them.
    pub(super) fn heard(&self, from: BrokerId, report: &DamageReport) {
        for replica in &report.damaged {
            self.give_up(from, replica.partition, replica.served_up_to);
        }
        for partition in &report.restored {
            let image = Arc::clone(&self.image.borrow());
            let reason = ChangeReason::ElectedLastKnown;
            let mut change = PartitionChange::new(partition.topic_id, partition.partition, reason);
            let replicas = &image.partition(*partition).unwrap().replicas;
            change.directories = Some(replicas.iter().copied().map(directory).collect());
            change.isr = Some(vec![from]);
            change.leader = Some(Some(from));
            change.last_known_eligible = Some(Vec::new());
            self.change(&[MetadataRecord::PartitionChange(change)]);
        }
    }

    fn give_up(&self, from: BrokerId, id: TopicIdPartition, served: Option<LeaderEpoch>) {
        let image = Arc::clone(&self.image.borrow());
        let Some(state) = image.partition(id) else {
            return;
        };
        let isr: Vec<_> = state.isr.iter().copied().filter(|it| *it != from).collect();
        let leader = state.leader.filter(|leader| *leader != from);
        let leader = leader.or_else(|| isr.first().copied());
        let lost = |replica: &BrokerId| {
            if *replica == from {
                DirectoryId::LOST
            } else {
                directory(*replica)
            }
        };
        let reason = ChangeReason::ReplicaDamaged;
        let mut change = PartitionChange::new(id.topic_id, id.partition, reason);
        change.directories = Some(state.replicas.iter().map(lost).collect());
        change.last_known_eligible = isr.is_empty().then(|| vec![from]);
        change.isr = Some(isr);
        let is_believed = served.is_some_and(|epoch| epoch >= state.leader_epoch);
        change.leader = (leader != state.leader || is_believed).then_some(leader);
        self.change(&[MetadataRecord::PartitionChange(change)]);
    }

    /// ISR changes, as the controllers decide them; what is stale is refused.
    fn alter(&self, request: AlterPartitionsRequest) -> AlterPartitionsResponse {
        let decide = |asked: trimaran_api::controller::PartitionAlteration| {
            let image = Arc::clone(&self.image.borrow());
            let state = image.partition(asked.partition).cloned();
            let fits = state.as_ref().is_some_and(|state| {
                state.leader == Some(request.broker_id)
                    && state.leader_epoch == asked.leader_epoch
                    && state.partition_epoch == asked.partition_epoch
            });
            if fits {
                let isr: Vec<_> = asked
                    .new_isr
                    .iter()
                    .map(|member| member.broker_id)
                    .collect();
                let TopicIdPartition {
                    topic_id,
                    partition,
                } = asked.partition;
                let reason = ChangeReason::IsrExpanded;
                let mut change = PartitionChange::new(topic_id, partition, reason);
                // Whoever enters is in the directory that its broker has.
                let replicas = state.iter().flat_map(|state| &state.replicas);
                change.directories = Some(replicas.copied().map(directory).collect());
                change.isr = Some(isr);
                self.change(&[MetadataRecord::PartitionChange(change)]);
            }
            let image = Arc::clone(&self.image.borrow());
            let state = image.partition(asked.partition);
            PartitionAlterationResult {
                partition: asked.partition,
                error: (!fits).then_some(trimaran_types::KafkaError::InvalidUpdateVersion),
                leader: state.and_then(|state| state.leader),
                leader_epoch: state.map_or(asked.leader_epoch, |state| state.leader_epoch),
                isr: state.map(|state| state.isr.clone()).unwrap_or_default(),
                partition_epoch: state.map_or(PartitionEpoch(0), |state| state.partition_epoch),
            }
        };
        AlterPartitionsResponse {
            partitions: request.partitions.into_iter().map(decide).collect(),
        }
    }
}

pub(super) async fn alter(State(quorum): State<Arc<Quorum>>, request: Bytes) -> impl IntoResponse {
    let response = quorum.alter(body::from_msgpack(&request).unwrap());
    msgpack(&response)
}

/// The directory of a broker, while it works.
pub(super) fn directory(id: BrokerId) -> DirectoryId {
    DirectoryId::from_uuid(Uuid::from_u128(1_000 + u128::from(id.0)))
}
