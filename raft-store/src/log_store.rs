//! [`LogStore`]: openraft's log storage.
//!
//! Entries go into memory and to the writer in one step, so that they can be read when `append`
//! returns and memory and disk see the same order. openraft calls these methods one at a time.

use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

use openraft::storage::{IOFlushed, LogState, RaftLogStorage};

use crate::app_codec::AppCodec;
use crate::fault::WriteError;
use crate::format::{
    META_COMMITTED, META_LAST_PURGED, META_VOTE, encode_entry, encode_log_id, encode_vote, seal,
};
use crate::log_reader::LogReader;
use crate::shared::Shared;
use crate::stored_types::{StoredEntry, StoredLogId, StoredTypes, StoredVote};
use crate::write_op::WriteOp;

/// The log, vote and committed index of one raft node.
pub struct LogStore<C: StoredTypes, K> {
    shared: Arc<Shared<C>>,
    codec: PhantomData<fn() -> K>,
}

impl<C: StoredTypes, K> Clone for LogStore<C, K> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            codec: PhantomData,
        }
    }
}

impl<C: StoredTypes, K: AppCodec<C>> LogStore<C, K> {
    pub(crate) fn new(shared: Arc<Shared<C>>) -> Self {
        Self {
            shared,
            codec: PhantomData,
        }
    }

    /// A reader of the log, as openraft's replication gets one.
    #[must_use]
    pub fn reader(&self) -> LogReader<C, K> {
        LogReader::new(Arc::clone(&self.shared))
    }
}

impl<C: StoredTypes, K: AppCodec<C>> RaftLogStorage<C> for LogStore<C, K> {
    type LogReader = LogReader<C, K>;

    async fn get_log_state(&mut self) -> Result<LogState<C>, io::Error> {
        self.shared.progress.check()?;
        let log = self.shared.log();
        Ok(LogState {
            last_purged_log_id: log.view.last_purged(),
            last_log_id: log.view.last(),
        })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.reader()
    }

    async fn save_vote(&mut self, vote: &StoredVote) -> Result<(), io::Error> {
        let value = seal(META_VOTE, &encode_vote(vote));
        self.shared
            .carry_out(|done| WriteOp::Vote {
                vote: *vote,
                value,
                done,
            })
            .await?;
        // Only a durable vote may be seen: a reader takes it as proof of who leads.
        self.shared.log().vote = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<StoredLogId>) -> Result<(), io::Error> {
        let Some(log_id) = committed else {
            return Ok(());
        };
        let permit = self.shared.reserve().await?;
        let mut body = Vec::with_capacity(16);
        encode_log_id(&log_id, &mut body);
        permit.send(WriteOp::Committed {
            value: seal(META_COMMITTED, &body),
        });
        self.shared.log().committed = Some(log_id);
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<StoredLogId>, io::Error> {
        self.shared.progress.check()?;
        Ok(self.shared.log().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<C>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = StoredEntry<C>> + Send,
        I::IntoIter: Send,
    {
        let mut stored = Vec::new();
        let mut viewed = Vec::new();
        let mut bytes = 0_usize;
        for entry in entries {
            let value = encode_entry::<C, K>(&entry).map_err(io::Error::other)?;
            bytes = bytes.saturating_add(value.len());
            viewed.push((entry.log_id, entry.clone(), value.len()));
            stored.push((entry.log_id.index, value));
        }
        let Some(last) = viewed.last().map(|(log_id, ..)| *log_id) else {
            callback.io_completed(Ok(()));
            return Ok(());
        };
        let budget = self.budget(bytes).await?;
        let permit = self.shared.reserve().await?;
        let mut log = self.shared.log();
        let write = log.last_write.saturating_add(1);
        log.view
            .append(viewed, write, self.shared.progress.written())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))?;
        log.last_write = write;
        let done = Box::new(move |result: Result<(), WriteError>| {
            callback.io_completed(result.map_err(io::Error::from));
        });
        permit.send(WriteOp::Append {
            entries: stored,
            last,
            write,
            budget,
            done,
        });
        Ok(())
    }

    async fn truncate_after(&mut self, keep: Option<StoredLogId>) -> Result<(), io::Error> {
        let permit = self.shared.reserve().await?;
        let (sender, receiver) = tokio::sync::oneshot::channel();
        {
            let mut log = self.shared.log();
            if let Some(fault) = log.contradicted_by_cut(keep) {
                return Err(WriteError::Fault(self.shared.progress.latch(fault)).into());
            }
            let removed = log.view.truncate_after(keep);
            permit.send(WriteOp::Truncate {
                from: removed.start,
                end: removed.end,
                last: log.view.last(),
                done: Box::new(move |result| drop(sender.send(result))),
            });
        }
        Ok(receiver.await.unwrap_or(Err(WriteError::Closed))?)
    }

    async fn purge(&mut self, up_to: StoredLogId) -> Result<(), io::Error> {
        let permit = self.shared.reserve().await?;
        let (sender, receiver) = tokio::sync::oneshot::channel();
        {
            let mut log = self.shared.log();
            let Some(removed) = log.view.purge(up_to) else {
                return Ok(());
            };
            let mut body = Vec::with_capacity(16);
            encode_log_id(&up_to, &mut body);
            permit.send(WriteOp::Purge {
                last: log.view.last(),
                last_purged: seal(META_LAST_PURGED, &body),
                from: removed.start,
                end: removed.end,
                done: Box::new(move |result| drop(sender.send(result))),
            });
        }
        Ok(receiver.await.unwrap_or(Err(WriteError::Closed))?)
    }
}

impl<C: StoredTypes, K> LogStore<C, K> {
    /// Room for `bytes` among what waits for the disk; a single append larger than all the room
    /// gets all of it.
    async fn budget(&self, bytes: usize) -> Result<tokio::sync::OwnedSemaphorePermit, WriteError> {
        let all = budget_units(self.shared.options.pending_bytes_max);
        let wanted = budget_units(bytes).min(all);
        Arc::clone(&self.shared.budget)
            .acquire_many_owned(wanted)
            .await
            .map_err(|_| WriteError::Closed)
    }
}

/// Bytes as units of the semaphore, which counts in KiB.
pub(crate) fn budget_units(bytes: usize) -> u32 {
    u32::try_from(bytes / 1024)
        .unwrap_or(u32::MAX >> 4)
        .clamp(1, u32::MAX >> 4)
}
