//! Taking a replica out of service whose log must not be used any more.
//!
//! Ended here; told to the controllers by the next heartbeat; set aside and begun anew by
//! `assignments` once the metadata shows that nobody counts on it (promise P-CORRUPT).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use trimaran_api::controller::DamageCause;
use trimaran_types::{LeaderEpoch, TopicIdPartition};

use super::damage::{Damage, Found};
use super::{DataDir, Replicas};
use crate::partition::{Closing, PartitionHandle, PartitionRole};

/// How soon an owner is found that gave up by itself.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Replicas whose log was found damaged by somebody who cannot wait; each once, so never more than
/// the broker hosts.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    partitions: Mutex<BTreeSet<TopicIdPartition>>,
    some: Notify,
}

impl Suspects {
    fn add(&self, partition: TopicIdPartition) {
        let mut partitions = self
            .partitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        partitions.insert(partition);
        drop(partitions);
        self.some.notify_one();
    }

    fn take(&self) -> BTreeSet<TopicIdPartition> {
        std::mem::take(
            &mut self
                .partitions
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

impl Replicas {
    /// Takes a replica out of service for good: its log must not be used any more. It leaves the
    /// ISR, and when nobody counts on it any more, its folder is set aside and it is fetched anew.
    /// Where nobody else holds what it holds, it stays as it is, for a person.
    ///
    /// Tells whether there was such a replica in service. Must run to its end.
    pub async fn condemn(&self, partition: TopicIdPartition, cause: DamageCause) -> bool {
        let Some(handle) = self.table.get(partition) else {
            return false;
        };
        let name = handle.topic().clone();
        let found = Found::Serving;
        if !self
            .table
            .begin_damage(partition, Damage { name, cause, found })
        {
            return false;
        }
        tracing::error!(
            partition = %handle.topic(), cause = cause.text(),
            "a replica is taken out of service; the controllers are told, look at the disk"
        );
        self.table.remove(partition);
        if let Err(cause) = handle.close(Closing::Discard).await {
            tracing::warn!(partition = %handle.topic(), cause, "ending a damaged replica");
        }
        // It was assigned from images no newer than this one.
        let image = self.context.current_image();
        let state = image.partition(partition);
        let served_up_to = state.map_or(LeaderEpoch::FIRST, |state| state.leader_epoch);
        self.table.damage_ended(partition, served_up_to);
        self.damage_found.notify_one();
        true
    }

    /// A read met damaged bytes. The replica is condemned, unless it is the last one in sync: then
    /// the rest of what it holds goes on being served.
    pub(super) fn suspect(&self, partition: TopicIdPartition) {
        let own = self.context.broker_id;
        let image = self.context.current_image();
        let others = image
            .partition(partition)
            .is_some_and(|state| state.isr.iter().any(|member| *member != own));
        if others {
            self.suspects.add(partition);
        }
    }

    /// Condemns what was found damaged, and every replica whose owner has given up by itself, until
    /// it is dropped.
    pub async fn watch_replicas(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.suspects.some.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            for partition in self.suspects.take() {
                self.condemn(partition, DamageCause::Corrupt).await;
            }
            for handle in self.table.all() {
                // A failed directory is reported as a whole, not each replica in it.
                if handle.status().role == PartitionRole::Failed
                    && !self.is_in_failed_directory(&handle)
                {
                    self.condemn(handle.id(), DamageCause::Failed).await;
                }
            }
        }
    }

    /// Whether the controllers hear of the replica's failure with that of its directory. They do not
    /// when it lies in another one than they know.
    fn is_in_failed_directory(&self, handle: &PartitionHandle) -> bool {
        let image = self.context.current_image();
        let recorded = image
            .partition(handle.id())
            .and_then(|state| self.place_of(&image, handle.id(), state));
        let place = handle.directory_id();
        recorded.is_none_or(|recorded| recorded == place)
            && self.dirs.get(place).is_some_and(DataDir::has_failed)
    }

    /// Waits until a replica was condemned. For the assignments alone.
    pub(crate) async fn damage_found(&self) {
        self.damage_found.notified().await;
    }
}
