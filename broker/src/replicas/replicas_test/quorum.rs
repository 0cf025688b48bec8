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
use trimaran_types::{PartitionEpoch, TopicIdPartition};
use uuid::Uuid;

use super::pair::msgpack;

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
