//! [`LogUpkeep`]: the task that lets old records go, and removes their files.
//!
//! A round asks every replica what its topic's settings let go, makes the new log starts durable
//! with one write for the directory, and only then takes the segments out. Their files are
//! removed when their delay is over, away from the replicas' owners. What a stop leaves behind is
//! removed when the log is opened next.
//!
//! Each directory keeps reserved space for the day on which its disk is full, or a round could not
//! write the log starts then. It is made at the start and, where it is short, whenever files went.

mod removals;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::Instant;
use trimaran_commit_log::{RESERVE_BYTES_DEFAULT, Retained};
use trimaran_types::DirectoryId;

use crate::partition::PartitionHandle;
use crate::replicas::{DataDir, Replicas};

use removals::Removals;

/// Replicas that are asked at once.
const ASKED_AT_ONCE: usize = 32;

/// Lets old records go.
#[derive(Debug)]
pub struct LogUpkeep {
    replicas: Arc<Replicas>,
    first_after: Duration,
    every: Duration,
}

/// The same in one directory. A disk that hangs holds up no other.
#[derive(Debug)]
struct DirUpkeep {
    replicas: Arc<Replicas>,
    dir: DirectoryId,
    removals: Removals,
}

/// A replica of which segments may be taken out.
struct Found {
    handle: PartitionHandle,
    retained: Retained,
}

impl LogUpkeep {
    /// The first round comes after `first_after`, the others `every` so often.
    #[must_use]
    pub fn new(replicas: Arc<Replicas>, first_after: Duration, every: Duration) -> Self {
        Self {
            replicas,
            first_after,
            every,
        }
    }

    /// Runs until dropped.
    pub async fn run(self) {
        let dirs = self.replicas.dirs().iter().map(DataDir::id);
        let upkeeps: Vec<_> = dirs
            .map(|dir| DirUpkeep {
                replicas: Arc::clone(&self.replicas),
                dir,
                removals: Removals::default(),
            })
            .map(|upkeep| upkeep.run(self.first_after, self.every))
            .collect();
        futures_util::future::join_all(upkeeps).await;
    }
}

impl DirUpkeep {
    async fn run(mut self, first_after: Duration, every: Duration) {
        let mut next_round = Instant::now() + first_after;
        loop {
            self.fill_reserve().await;
            let next = self
                .removals
                .next()
                .map_or(next_round, |at| at.min(next_round));
            tokio::time::sleep_until(next).await;
            self.removals.remove_due(Instant::now()).await;
            if Instant::now() >= next_round {
                self.round().await;
                next_round = Instant::now() + every;
            }
        }
    }

    /// Grows the reserved space of the directory, as far as there is room.
    async fn fill_reserve(&self) {
        let (replicas, dir) = (Arc::clone(&self.replicas), self.dir);
        let filled = tokio::task::spawn_blocking(move || {
            let place = replicas.dirs().get(dir);
            place.filter(|place| !place.has_failed()).map(fill_reserve)
        });
        if let Err(error) = filled.await {
            tracing::error!(%error, "reserving space broke off");
        }
    }

    /// One look at every replica of the directory.
    async fn round(&mut self) {
        let mut handles = self.replicas.table().all();
        handles.retain(|handle| handle.directory_id() == self.dir);
        let found: Vec<Found> = futures_util::stream::iter(handles)
            .map(|handle| async move {
                let retained = handle.retain().await?;
                Some(Found { handle, retained })
            })
            .buffer_unordered(ASKED_AT_ONCE)
            .filter_map(std::future::ready)
            .collect()
            .await;
        if found.is_empty() {
            return;
        }
        let (replicas, dir) = (Arc::clone(&self.replicas), self.dir);
        let written = tokio::task::spawn_blocking(move || {
            let place = replicas.dirs().get(dir);
            place.map_or_else(Vec::new, |place| keep_durable(place, found))
        });
        match written.await {
            Ok(found) => {
                for found in found {
                    self.delete(found).await;
                }
            }
            Err(error) => tracing::error!(%error, "looking for old segments broke off"),
        }
    }

    /// Takes a replica's segments out, some at a time.
    async fn delete(&mut self, found: Found) {
        let Found { handle, retained } = found;
        while let Some(deleted) = handle.delete_segments(retained.log_start).await {
            tracing::info!(
                partition = %handle.topic(), log_start = %retained.log_start,
                segments = deleted.segments(), bytes = deleted.bytes(), "segments deleted"
            );
            let is_all = deleted.is_all();
            let synced = tokio::task::spawn_blocking(move || {
                // A failure has closed the directory's latch, which is watched.
                let synced = deleted.sync().is_ok();
                synced.then_some(deleted)
            });
            match synced.await {
                Ok(Some(deleted)) => self.removals.add(deleted).await,
                Ok(None) => return,
                Err(error) => tracing::error!(%error, "deleting segments broke off"),
            }
            if is_all {
                return;
            }
        }
    }
}

fn fill_reserve(place: &DataDir) {
    let path = place.dir().data_dir().display();
    match place.dir().fill_reserve(RESERVE_BYTES_DEFAULT) {
        Ok(reserved) if reserved < RESERVE_BYTES_DEFAULT => tracing::warn!(
            %path, reserved, wanted = RESERVE_BYTES_DEFAULT, "no room for all of the reserved space"
        ),
        Ok(_) => {}
        Err(error) => tracing::error!(%path, %error, "no space can be reserved"),
    }
}

/// Makes durable what must be on the disk before a file of an old segment gets another name, and
/// tells of which replicas it is; blocks.
fn keep_durable(place: &DataDir, mut found: Vec<Found>) -> Vec<Found> {
    if place.has_failed() {
        return Vec::new();
    }
    let path = place.dir().data_dir().display();
    // What one log refuses is no reason for another.
    found.retain(|found| {
        let partition = found.handle.topic();
        let synced = match found.retained.rolled {
            true => place.dir().sync_log(partition),
            false => Ok(()),
        };
        if let Err(error) = &synced {
            tracing::error!(%path, %partition, %error, "old segments stay");
        }
        synced.is_ok()
    });
    if let Err(error) = place.dir().write_log_starts() {
        tracing::error!(%path, %error, "old segments stay");
        found.clear();
    }
    found
}
