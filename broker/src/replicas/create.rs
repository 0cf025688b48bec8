//! Opening one log and starting its owner.

use std::sync::Arc;

use trimaran_commit_log::{Aside, Log, LogDir, LogDirError, OpenAs, OpenError, RecoveryReport};
use trimaran_metadata::{MetadataImage, PartitionState, directory_for};
use trimaran_types::{DirectoryId, Offset, TopicIdPartition, TopicPartition};

use super::open_all::{is_damage, is_spare};
use super::{DataDir, Replicas};
use crate::partition::{AppendBudget, PartitionHandle, PartitionStart, TopicSettings};

/// Why a replica is not in service.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// Its log cannot be opened.
    #[error("cannot open the log of {partition}")]
    Open {
        /// The partition.
        partition: TopicPartition,
        /// Why.
        #[source]
        cause: OpenError,
    },
    /// What lies in its place cannot be set aside.
    #[error("cannot set {partition} aside")]
    SetAside {
        /// The partition.
        partition: TopicPartition,
        /// Why.
        #[source]
        cause: LogDirError,
    },
    /// Its log is damaged and the replica may be the only good one: a person has to decide.
    #[error("the log of {partition} is damaged and other replicas count on it")]
    Damaged {
        /// The partition.
        partition: TopicPartition,
    },
    /// The directory that it belongs in is not in service here; the metadata will say where else it
    /// goes, or the directory comes back with the next start.
    #[error("the log directory of {partition} is out of service")]
    DirectoryOut {
        /// The partition.
        partition: TopicPartition,
    },
    /// The thread that opened it panicked.
    #[error("opening the log of {partition} broke off")]
    BrokeOff {
        /// The partition.
        partition: TopicPartition,
    },
}

/// What is known about a log before it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It was there when this process started.
    FromLastRun,
    /// It begins now, as far as the directory tells. How the last run ended says nothing about it;
    /// but where something of it was synced once, its absence is damage.
    New,
}

impl Replicas {
    /// Makes sure that this broker's replica of a partition is open.
    ///
    /// # Errors
    /// See [`CreateError`]; it may succeed later.
    pub async fn ensure(
        self: &Arc<Self>,
        image: &MetadataImage,
        topic: TopicPartition,
        id: TopicIdPartition,
        state: &PartitionState,
    ) -> Result<PartitionHandle, CreateError> {
        if let Some(handle) = self.table.get(id) {
            return Ok(handle);
        }
        let is_damaged = self.table.is_damaged(id);
        let is_spare = is_spare(state, self.context.broker_id);
        if is_damaged && !is_spare {
            return Err(CreateError::Damaged { partition: topic });
        }
        let directory_id = self.place_of(image, id, state);
        if directory_id.is_none_or(|place| self.dirs.get(place).is_none_or(DataDir::has_failed)) {
            return Err(CreateError::DirectoryOut { partition: topic });
        }
        let settings = TopicSettings::of(image, &topic.topic, state);
        let replicas = Arc::clone(self);
        let name = topic.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let gone = || CreateError::DirectoryOut {
                partition: name.clone(),
            };
            let place = directory_id.and_then(|place| replicas.dirs.get(place));
            let dir = &place.ok_or_else(gone)?.dir;
            make_room(dir, &name, id, is_damaged)?;
            let log = open_anew(dir, &name, id, &settings, is_spare)?;
            Ok((log, settings))
        });
        let opened = opened.await.map_err(|_| CreateError::BrokeOff {
            partition: topic.clone(),
        })?;
        if let Err(CreateError::Open { cause, .. }) = &opened
            && is_damage(cause)
        {
            // An empty log here would say that nothing was ever acknowledged.
            self.table.mark_damaged(id, topic.clone());
        }
        let (log, settings) = opened?;
        drop(self.table.unmark_damaged(id));
        let place = directory_id.and_then(|place| self.dirs.get(place));
        let dir = place.ok_or_else(|| CreateError::DirectoryOut {
            partition: topic.clone(),
        })?;
        Ok(self.start(dir, topic, id, log, settings))
    }

    /// The directory that the replica belongs in, as the controllers see it, too.
    pub(super) fn place_of(
        &self,
        image: &MetadataImage,
        id: TopicIdPartition,
        state: &PartitionState,
    ) -> Option<DirectoryId> {
        let own = self.context.broker_id;
        let recorded = state.directory_of(own);
        match image.brokers.get(own) {
            Some(registration) => directory_for(&registration.directories, id, recorded),
            None => directory_for(&self.dirs.ids(), id, recorded),
        }
    }

    /// Starts the owner of an open log and makes the replica known.
    pub(super) fn start(
        &self,
        dir: &DataDir,
        topic: TopicPartition,
        id: TopicIdPartition,
        log: Log,
        settings: TopicSettings,
    ) -> PartitionHandle {
        let lag_time_max = self.context.replication.lag_time_max.as_millis();
        let handle = PartitionHandle::start(PartitionStart {
            id,
            own: self.context.broker_id,
            directory_id: dir.id(),
            high_watermark: dir.dir.high_watermark(&topic).unwrap_or(Offset::ZERO),
            topic,
            log,
            settings,
            lag_time_max_ms: u64::try_from(lag_time_max).unwrap_or(u64::MAX),
            flusher: Arc::clone(&dir.flusher),
            isr_changes: self.isr_changes.clone(),
            broker_budget: Arc::clone(&self.budget),
            // One partition may not use up what all of them share.
            partition_budget: AppendBudget::new(self.context.replication.append_bytes_max / 2),
            clock: self.clock,
        });
        self.table.insert(handle.clone());
        handle
    }
}

/// Opens a log that was not open in this run. What is left of a damaged one is given up only
/// if it `is_spare`: others have all that it had.
fn open_anew(
    dir: &LogDir,
    topic: &TopicPartition,
    id: TopicIdPartition,
    settings: &TopicSettings,
    is_spare: bool,
) -> Result<Log, CreateError> {
    let opened = match open_log(dir, topic, id, settings, Known::New) {
        Err(CreateError::Open { cause, .. }) if is_spare && is_damage(&cause) => {
            tracing::warn!(partition = %topic, %cause, "a damaged log is fetched anew");
            dir.set_aside(std::slice::from_ref(topic), Aside::Stray)
                .map_err(|cause| CreateError::SetAside {
                    partition: topic.clone(),
                    cause,
                })?;
            open_log(dir, topic, id, settings, Known::New)
        }
        opened => opened,
    };
    opened.map(|(log, _)| log)
}

/// Opens a log; blocks.
pub(super) fn open_log(
    dir: &LogDir,
    topic: &TopicPartition,
    id: TopicIdPartition,
    settings: &TopicSettings,
    known: Known,
) -> Result<(Log, RecoveryReport), CreateError> {
    let mut open_as = dir.open_as(topic, id.topic_id);
    if known == Known::New {
        open_as = OpenAs {
            log_start: None,
            clean_shutdown: false,
            ..open_as
        };
    }
    let log_dir = dir.partition_dir(topic);
    Log::open(dir.context(), &log_dir, settings.log.clone(), open_as).map_err(|cause| {
        CreateError::Open {
            partition: topic.clone(),
            cause,
        }
    })
}

/// Sets a directory aside that has the partition's name and is of another topic, or damaged.
fn make_room(
    dir: &LogDir,
    topic: &TopicPartition,
    id: TopicIdPartition,
    is_damaged: bool,
) -> Result<(), CreateError> {
    let failed = |cause| CreateError::SetAside {
        partition: topic.clone(),
        cause,
    };
    let log_dir = dir.partition_dir(topic);
    if dir.context().disk.list(&log_dir).is_err() {
        return Ok(());
    }
    let found = dir.partitions().map_err(failed)?;
    let other = found.iter().any(|log| {
        let is_other = log.topic_id.is_some_and(|found| found != id.topic_id);
        log.partition == *topic && (is_damaged || is_other)
    });
    if other {
        tracing::warn!(partition = %topic, is_damaged, "a log in the way is set aside");
        dir.set_aside(std::slice::from_ref(topic), Aside::Stray)
            .map_err(failed)?;
    }
    Ok(())
}
