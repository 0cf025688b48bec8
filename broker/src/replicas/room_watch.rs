//! [`RoomWatch`]: replicas that lack room for so long that others should lead in their place.
//!
//! A leader that finds no room refuses appends at once; for some seconds that may be a neighbour's
//! burst, or retention at work, and a new leader epoch would cost more. After [`PATIENCE`] the
//! heartbeats tell of it, and go on until the replica has room, whatever its role is by then: who has
//! handed over must not be given the leadership back by the next one who has none.
//!
//! A follower that has all records appends nothing, so it would never find out that there is room
//! again. Therefore its directory is tried now and then. A leader finds out by its producers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};
use trimaran_api::controller::REPLICAS_REPORTED_MAX;
use trimaran_types::{DirectoryId, TopicIdPartition};

use super::Replicas;
use crate::partition::{Event, PartitionHandle, PartitionRole};

/// How often it is looked who lacks room.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a replica lacks room before the controllers hear of it: longer than a burst of another
/// log takes to be cut short, shorter than producers give up (`delivery.timeout.ms`, two minutes).
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks between two tries of a directory.
const LOOKS_BETWEEN_TRIES: u32 = 5;

/// Room that a directory must have to count as having some: the largest batch that a topic takes by
/// default.
const ROOM_BYTES_MIN: u64 = 1024 * 1024;

/// Since when each replica has lacked room. Pure.
#[derive(Debug, Default)]
struct RoomWatch {
    since: BTreeMap<TopicIdPartition, Instant>,
}

/// A replica that lacks room at the moment, and whether it leads.
type Lacking = (TopicIdPartition, bool);

impl RoomWatch {
    /// Takes in who lacks room, and tells who has for too long: leaders first, by partition, no more
    /// than a heartbeat takes.
    fn look(&mut self, now: Instant, lacking: &[Lacking]) -> Vec<TopicIdPartition> {
        let ids: BTreeSet<TopicIdPartition> = lacking.iter().map(|(id, _)| *id).collect();
        self.since.retain(|id, _| ids.contains(id));
        for id in ids {
            self.since.entry(id).or_insert(now);
        }
        let for_long = |id: &TopicIdPartition| {
            let since = self.since.get(id);
            since.is_some_and(|since| now.saturating_duration_since(*since) >= PATIENCE)
        };
        let mut told: Vec<(bool, TopicIdPartition)> = lacking
            .iter()
            .filter(|(id, _)| for_long(id))
            .map(|(id, leads)| (!leads, *id))
            .collect();
        told.sort_unstable();
        told.truncate(REPLICAS_REPORTED_MAX);
        told.into_iter().map(|(_, id)| id).collect()
    }
}

fn leads(handle: &PartitionHandle) -> bool {
    handle.status().role == PartitionRole::Leader
}

impl Replicas {
    /// Watches who lacks room until it is dropped.
    pub async fn watch_room(self: Arc<Self>) {
        let mut watch = RoomWatch::default();
        let mut interval = tokio::time::interval(LOOK_EVERY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for look in 1_u32.. {
            interval.tick().await;
            let mut lacking = self.table.all();
            lacking.retain(|handle| handle.status().lacks_room);
            let now: Vec<Lacking> = lacking.iter().map(|it| (it.id(), leads(it))).collect();
            self.tell_lacking(watch.look(Instant::now(), &now));
            lacking.retain(|handle| !leads(handle));
            if look.is_multiple_of(LOOKS_BETWEEN_TRIES) && !lacking.is_empty() {
                self.look_for_room(lacking).await;
            }
        }
    }

    /// Replicas that have lacked room for so long that heartbeats tell of them.
    pub(super) fn lacking_for_long(&self) -> Vec<TopicIdPartition> {
        let told = self.lacking_for_long.lock();
        told.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn tell_lacking(&self, lacking: Vec<TopicIdPartition>) {
        let mut told = self
            .lacking_for_long
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let differs = *told != lacking;
        *told = lacking;
        drop(told);
        if differs {
            self.update_report(&self.context.current_image());
        }
    }

    /// Tells the followers among these whose directory has room.
    async fn look_for_room(self: &Arc<Self>, lacking: Vec<PartitionHandle>) {
        let ids: BTreeSet<DirectoryId> =
            lacking.iter().map(PartitionHandle::directory_id).collect();
        let replicas = Arc::clone(self);
        let looked = tokio::task::spawn_blocking(move || {
            let mut found = ids;
            found.retain(|id| replicas.has_room(*id));
            found
        });
        let found = match looked.await {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(%error, "looking for room broke off");
                return;
            }
        };
        for handle in lacking {
            if found.contains(&handle.directory_id()) {
                handle.send(Event::RoomFound).await;
            }
        }
    }

    fn has_room(&self, id: DirectoryId) -> bool {
        let Some(place) = self.dirs.get(id) else {
            return false;
        };
        place.dir().has_room(ROOM_BYTES_MIN).unwrap_or_else(|error| {
            tracing::warn!(directory = %id, %error, "it cannot be found out whether there is room");
            false
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimaran_types::{PartitionIndex, TopicId};

    fn id(number: u32) -> TopicIdPartition {
        TopicIdPartition {
            topic_id: TopicId::from_uuid(uuid::Uuid::from_u128(7)),
            partition: PartitionIndex(number),
        }
    }

    #[test]
    fn a_replica_is_told_of_after_a_while_and_until_it_has_room() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut watch = RoomWatch::default();
        assert_eq!(watch.look(at(0), &[(id(1), true)]), []);
        assert_eq!(watch.look(at(4_999), &[(id(1), true), (id(2), false)]), []);
        assert_eq!(watch.look(at(5_000), &[(id(1), true)]), [id(1)]);
        // It leads no more, which is no room.
        assert_eq!(watch.look(at(6_000), &[(id(1), false)]), [id(1)]);
        assert_eq!(watch.look(at(7_000), &[]), []);
        assert_eq!(watch.look(at(8_000), &[(id(1), true)]), []);
        assert_eq!(watch.look(at(12_999), &[(id(1), true)]), []);
        assert_eq!(watch.look(at(13_000), &[(id(1), true)]), [id(1)]);
    }

    #[test]
    fn leaders_come_first_and_no_more_than_a_heartbeat_takes() {
        let start = Instant::now();
        let mut watch = RoomWatch::default();
        let lacking: Vec<Lacking> = (0..1_500).map(|it| (id(it), it % 2 == 1)).collect();
        assert_eq!(watch.look(start, &lacking), []);
        let told = watch.look(start + PATIENCE, &lacking);
        assert_eq!(told.len(), REPLICAS_REPORTED_MAX);
        let leaders: Vec<_> = (0..750).map(|it| id(2 * it + 1)).collect();
        assert_eq!(told[..750], leaders);
        assert_eq!(
            told[750..],
            (0..250).map(|it| id(2 * it)).collect::<Vec<_>>()
        );
    }
}
