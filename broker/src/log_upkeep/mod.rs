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

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::Instant;
use trimaran_commit_log::{LogDirError, RESERVE_BYTES_DEFAULT, Retained};

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
            removals: Removals::default(),
        }
    }

    /// Runs until dropped.
    pub async fn run(mut self) {
        let mut next_round = Instant::now() + self.first_after;
        loop {
            self.fill_reserves().await;
            let next = self
                .removals
                .next()
                .map_or(next_round, |at| at.min(next_round));
            tokio::time::sleep_until(next).await;
            self.removals.remove_due(Instant::now()).await;
            if Instant::now() >= next_round {
                self.round().await;
                next_round = Instant::now() + self.every;
            }
        }
    }

    /// Grows the reserved space of every directory, as far as there is room.
    async fn fill_reserves(&self) {
        let replicas = Arc::clone(&self.replicas);
        let filled = tokio::task::spawn_blocking(move || {
            let dirs = replicas.dirs().iter();
            dirs.filter(|dir| !dir.has_failed()).for_each(fill_reserve);
        });
        if let Err(error) = filled.await {
            tracing::error!(%error, "reserving space broke off");
        }
    }

    /// One look at every replica.
    async fn round(&mut self) {
        let handles = self.replicas.table().all();
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
        let replicas = Arc::clone(&self.replicas);
        let written = tokio::task::spawn_blocking(move || keep_durable(&replicas, found));
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
/// keeps those for which it is; blocks.
fn keep_durable(replicas: &Replicas, found: Vec<Found>) -> Vec<Found> {
    let own_dir = |found: &Found| found.handle.directory_id();
    keep_where(found, own_dir, |directory_id, own| {
        let of_id = |place: &&DataDir| place.id() == *directory_id;
        let Some(place) = replicas.dirs().iter().find(of_id) else {
            return false;
        };
        if place.has_failed() {
            return false;
        }
        let made = make_durable(place, own);
        if let Err(error) = &made {
            tracing::error!(%directory_id, %error, "old segments stay");
        }
        made.is_ok()
    })
}

fn make_durable(place: &DataDir, own: &[Found]) -> Result<(), LogDirError> {
    for found in own.iter().filter(|found| found.retained.rolled) {
        place.dir().sync_log(found.handle.topic())?;
    }
    place.dir().write_log_starts()
}

/// Those whose directory is ready: what one of them refuses is no reason for another.
fn keep_where<D: Ord, T>(
    all: Vec<T>,
    dir_of: impl Fn(&T) -> D,
    mut is_ready: impl FnMut(&D, &[T]) -> bool,
) -> Vec<T> {
    let mut by_dir: BTreeMap<D, Vec<T>> = BTreeMap::new();
    for one in all {
        by_dir.entry(dir_of(&one)).or_default().push(one);
    }
    by_dir.retain(|dir, own| is_ready(dir, own));
    by_dir.into_values().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_refuses_holds_up_no_other() {
        let found = vec![(1, 'a'), (2, 'b'), (1, 'c'), (3, 'd')];
        let mut asked = Vec::new();
        let kept = keep_where(
            found,
            |(dir, _)| *dir,
            |dir, own| {
                asked.push((*dir, own.len()));
                *dir != 1
            },
        );
        assert_eq!(kept, [(2, 'b'), (3, 'd')]);
        assert_eq!(asked, [(1, 2), (2, 1), (3, 1)]);
    }
}
