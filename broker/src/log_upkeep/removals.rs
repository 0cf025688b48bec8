//! [`Removals`]: deleted segments whose files wait for their removal.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use trimaran_commit_log::DeletedSegments;

/// Most deletions that wait; over it, the one that has least to wait goes at once.
const WAITING_MAX: usize = 4_096;

/// Longest delay, whatever a topic says: moments beyond are not told apart.
const DELAY_MAX: Duration = Duration::from_secs(365 * 24 * 3_600);

/// Deleted segments, by when their files go.
#[derive(Debug, Default)]
pub(super) struct Removals {
    waiting: BTreeMap<(Instant, u64), DeletedSegments>,
    added: u64,
}

impl Removals {
    /// When the first files go.
    pub(super) fn next(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|((due, _), _)| *due)
    }

    /// Takes files that carry their other name already.
    pub(super) async fn add(&mut self, deleted: DeletedSegments) {
        let delay = Duration::from_millis(deleted.delay_ms()).min(DELAY_MAX);
        self.added += 1;
        self.waiting
            .insert((Instant::now() + delay, self.added), deleted);
        if self.waiting.len() > WAITING_MAX
            && let Some((_, first)) = self.waiting.pop_first()
        {
            remove(vec![first]).await;
        }
    }

    /// Removes the files whose time has come.
    pub(super) async fn remove_due(&mut self, now: Instant) {
        let later = self.waiting.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut self.waiting, later);
        if !due.is_empty() {
            remove(due.into_values().collect()).await;
        }
    }
}

async fn remove(all: Vec<DeletedSegments>) {
    let removing = tokio::task::spawn_blocking(move || {
        for deleted in all {
            if let Err(error) = deleted.remove() {
                tracing::warn!(%error, "the files of deleted segments still take room");
            }
        }
    });
    if let Err(error) = removing.await {
        tracing::error!(%error, "removing files broke off");
    }
}
