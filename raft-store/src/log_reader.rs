//! [`LogReader`]: reads entries while others append, truncate and purge.
//!
//! Recent entries come from memory. The rest comes from the database on a blocking thread, never
//! on the executor. A read is atomic: when entries left the log while it was on the disk, it
//! starts again.

use std::fmt::Debug;
use std::io;
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use futures_util::stream::{self, Stream, StreamExt};
use openraft::OptionalSend;
use openraft::storage::RaftLogReader;

use crate::app_codec::AppCodec;
use crate::fault::{StoreFault, WriteError};
use crate::format::decode_entry;
use crate::shared::Shared;
use crate::stored_types::{StoredEntry, StoredLogId, StoredTypes, StoredVote};

/// A handle that reads the log. Cheap to clone.
pub struct LogReader<C: StoredTypes, K> {
    shared: Arc<Shared<C>>,
    codec: PhantomData<fn() -> K>,
}

impl<C: StoredTypes, K> Clone for LogReader<C, K> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            codec: PhantomData,
        }
    }
}

impl<C: StoredTypes, K: AppCodec<C>> LogReader<C, K> {
    pub(crate) fn new(shared: Arc<Shared<C>>) -> Self {
        Self {
            shared,
            codec: PhantomData,
        }
    }

    /// Judges `ids`, the log ids in order that a leader of `vote` has told, before raft sees them: raft
    /// takes for granted that what is committed here is so there.
    ///
    /// Two logs that have the same id at an index are the same up to there, so only the highest id
    /// that is committed here is compared. One that was purged is not known any more.
    ///
    /// # Errors
    /// When the leader has another entry where one is committed here, or another one leads in its
    /// term. That is final: the store is
    /// latched, and the process should end. Else when the store has failed or is closed.
    pub async fn check_history(
        &self,
        vote: &StoredVote,
        ids: impl Iterator<Item = StoredLogId>,
    ) -> Result<(), io::Error> {
        let (own_vote, committed) = {
            let log = self.shared.log();
            (log.vote, log.committed)
        };
        if let Some(own) = own_vote.filter(|own| own.committed && vote.committed)
            && own.leader_id.term == vote.leader_id.term
            && own.leader_id.voted_for != vote.leader_id.voted_for
        {
            let fault = StoreFault::TwoLeaders {
                term: own.leader_id.term,
                known: own.leader_id.voted_for,
                other: vote.leader_id.voted_for,
            };
            return Err(WriteError::Fault(self.shared.progress.latch(fault)).into());
        }
        // Whoever led in an earlier term may have what was never committed; raft turns it away.
        let is_current =
            own_vote.is_none_or(|own| own.leader_id.term <= vote.leader_id.term) && vote.committed;
        let Some(committed) = committed.filter(|_| is_current) else {
            return Ok(());
        };
        let Some(theirs) = ids.take_while(|id| id.index <= committed.index).last() else {
            return Ok(());
        };
        let own = if theirs.index == committed.index {
            Some(committed)
        } else {
            let end = theirs.index.saturating_add(1);
            let found = self.read(theirs.index, end, 1).await?;
            found.first().map(|entry| entry.log_id)
        };
        if own.is_some_and(|own| own != theirs) {
            let fault = StoreFault::Contradicted {
                index: theirs.index,
                committed: committed.index,
            };
            return Err(WriteError::Fault(self.shared.progress.latch(fault)).into());
        }
        Ok(())
    }

    /// Entries of `[start, end)` that the log holds, in order: at most `bytes_max` of them in
    /// stored bytes, but at least one when there is any.
    ///
    /// # Errors
    /// When the store has failed or is closed, or an entry is damaged or missing.
    pub async fn read(
        &self,
        start: u64,
        end: u64,
        bytes_max: usize,
    ) -> Result<Vec<StoredEntry<C>>, io::Error> {
        loop {
            self.shared.progress.check()?;
            if let Some(entries) = self.read_once(start, end, bytes_max).await? {
                return Ok(entries);
            }
        }
    }

    /// One try; `None` when entries left the log meanwhile.
    async fn read_once(
        &self,
        start: u64,
        end: u64,
        bytes_max: usize,
    ) -> Result<Option<Vec<StoredEntry<C>>>, io::Error> {
        let removals = self.shared.log().view.removals();
        let mut entries = Vec::new();
        let (mut next, mut left) = (start, bytes_max);
        loop {
            let plan = self.shared.log().view.plan(next, end, left);
            if plan.removals != removals {
                return Ok(None);
            }
            if plan.disk.is_empty() {
                entries.extend(plan.recent);
                return Ok(Some(entries));
            }
            let (from, to) = (plan.disk.start, plan.disk.end);
            let found = self.read_disk(from, to, left).await;
            // Whatever the disk said, it does not count if entries left the log meanwhile.
            if self.shared.log().view.removals() != removals {
                return Ok(None);
            }
            let (piece, bytes) = found?;
            next = from.saturating_add(piece.len() as u64);
            entries.extend(piece);
            left = left.saturating_sub(bytes);
            if next < to || next >= end || left == 0 {
                return Ok(Some(entries));
            }
        }
    }

    async fn read_disk(
        &self,
        from: u64,
        to: u64,
        bytes_max: usize,
    ) -> Result<(Vec<StoredEntry<C>>, usize), io::Error> {
        let database = self.shared.database.get().ok_or(WriteError::Closed)?;
        tokio::task::spawn_blocking(move || {
            let piece = database
                .read_log(from, to, bytes_max)
                .map_err(|error| io::Error::other(format!("cannot read the log: {error}")))?;
            drop(database);
            let mut entries = Vec::with_capacity(piece.entries.len());
            let mut expected = from;
            for (index, value) in piece.entries {
                if index != expected {
                    return Err(missing(expected, Some(index)));
                }
                entries.push(decode_entry::<C, K>(index, &value).map_err(|error| {
                    io::Error::new(
                        io::ErrorKind::InvalidData,
                        format!("entry {index}: {error}"),
                    )
                })?);
                expected = expected.saturating_add(1);
            }
            if expected < to && !piece.is_cut {
                return Err(missing(expected, None));
            }
            Ok((entries, piece.bytes))
        })
        .await
        .map_err(io::Error::other)?
    }
}

fn missing(expected: u64, found: Option<u64>) -> io::Error {
    let text = match found {
        Some(found) => format!("entry {expected} is missing from the log, found {found}"),
        None => format!("entry {expected} is missing from the log"),
    };
    io::Error::new(io::ErrorKind::InvalidData, text)
}

fn bounds<R: RangeBounds<u64>>(range: &R) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}

impl<C: StoredTypes, K: AppCodec<C>> RaftLogReader<C> for LogReader<C, K> {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Result<Vec<StoredEntry<C>>, io::Error> {
        let (start, end) = bounds(&range);
        self.read(start, end, usize::MAX).await
    }

    async fn read_vote(&mut self) -> Result<Option<StoredVote>, io::Error> {
        self.shared.progress.check()?;
        Ok(self.shared.log().vote)
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<StoredEntry<C>>, io::Error> {
        self.read(start, end, self.shared.options.read_bytes_max)
            .await
    }

    /// In pieces, so that a restart that replays the whole log does not hold it in memory.
    async fn entries_stream<R>(
        &mut self,
        range: R,
    ) -> impl Stream<Item = Result<StoredEntry<C>, io::Error>> + OptionalSend
    where
        R: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (start, end) = bounds(&range);
        let reader = self.clone();
        let bytes_max = self.shared.options.read_bytes_max;
        stream::unfold(Some(start), move |next| {
            let reader = reader.clone();
            async move {
                let next = next.filter(|next| *next < end)?;
                match reader.read(next, end, bytes_max).await {
                    Ok(entries) => {
                        let last = entries.last()?.log_id.index;
                        let items = entries.into_iter().map(Ok).collect::<Vec<_>>();
                        Some((stream::iter(items), last.checked_add(1)))
                    }
                    Err(error) => Some((stream::iter(vec![Err(error)]), None)),
                }
            }
        })
        .flatten()
        .boxed()
    }
}
