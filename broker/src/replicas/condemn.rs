//! Taking a replica out of service whose log must not be used any more.
//!
//! Ended here; told to the controllers by the next heartbeat; set aside and begun anew by
//! `assignments` once the metadata shows that nobody counts on it (promise P-CORRUPT).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    handles: Mutex<BTreeMap<TopicIdPartition, PartitionHandle>>,
    some: Notify,
}

/// What is done about damaged bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Suspected {
    /// The replica is being taken out of service.
    Condemned,
    /// Nobody else is in sync: what it holds is served on.
    LastInSync,
    /// It is not in service any more, so whatever was read is of no account.
    Gone,
}

impl Suspects {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<TopicIdPartition, PartitionHandle>> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, handle: &PartitionHandle) {
        self.lock().insert(handle.id(), handle.clone());
        self.some.notify_one();
    }

    fn take(&self) -> BTreeMap<TopicIdPartition, PartitionHandle> {
        std::mem::take(&mut self.lock())
    }
}

impl Replicas {
    /// Takes a replica out of service for good: its log must not be used any more. It leaves the
    /// ISR, and when nobody counts on it any more, its folder is set aside and it is fetched anew.
    /// Where nobody else holds what it holds, it stays as it is, for a person.
    ///
    /// Tells whether there was such a replica in service. Must run to its end.
    pub async fn condemn(&self, partition: TopicIdPartition, cause: DamageCause) -> bool {
        match self.table.get(partition) {
            Some(handle) => self.condemn_this(&handle, cause).await,
            None => false,
        }
    }

    /// The same for one life of a replica: not for one that was begun in its place meanwhile.
    async fn condemn_this(&self, handle: &PartitionHandle, cause: DamageCause) -> bool {
        let partition = handle.id();
        let name = handle.topic().clone();
        let found = Found::Serving;
        if !self
            .table
            .begin_damage(handle, Damage { name, cause, found })
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
    ///
    /// Call it after the read: a replica leaves the table before anybody touches its folder, so one
    /// that is still there has read its own files, not those of its successor.
    pub(crate) fn suspect(&self, handle: &PartitionHandle) -> Suspected {
        if !self.table.has(handle) {
            return Suspected::Gone;
        }
        let own = self.context.broker_id;
        let image = self.context.current_image();
        let others = image
            .partition(handle.id())
            .is_some_and(|state| state.isr.iter().any(|member| *member != own));
        if others {
            self.suspects.add(handle);
            Suspected::Condemned
        } else {
            Suspected::LastInSync
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
            for handle in self.suspects.take().into_values() {
                self.condemn_this(&handle, DamageCause::Corrupt).await;
            }
            for handle in self.table.all() {
                // A failed directory is reported as a whole, not each replica in it.
                if handle.status().role == PartitionRole::Failed
                    && !self.is_in_failed_directory(&handle)
                {
                    if handle.is_abandoned() {
                        tracing::error!(
                            partition = %handle.topic(),
                            "the task that owned a replica has panicked: a defect, please report it"
                        );
                    }
                    self.condemn_this(&handle, DamageCause::Failed).await;
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
