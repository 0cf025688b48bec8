//! Opening one log and starting its owner.

use std::sync::Arc;

use trimaran_api::controller::DamageCause;
use trimaran_commit_log::{Aside, Log, LogDir, LogDirError, OpenError, RecoveryReport};
use trimaran_metadata::{MetadataImage, PartitionState, directory_for};
use trimaran_types::{DirectoryId, Offset, TopicIdPartition, TopicPartition};

use super::damage::Damage;
use super::found_logs::is_spare;
use super::open_one::damage_of;
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
    /// Whether it was ever begun cannot be found out, or not be noted.
    #[error("cannot tell or note that the log of {partition} was begun")]
    Note {
        /// The partition.
        partition: TopicPartition,
        /// Why.
        #[source]
        cause: LogDirError,
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
    /// Its log is damaged or gone, and the metadata still counts on it. What changes that comes as
    /// a change of the metadata.
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
    /// Its log is damaged, and no more damaged logs are kept.
    #[error(
        "the log of {partition} is damaged, and {kept} damaged logs are kept already: delete folders \
         that end in -damaged when nobody needs them"
    )]
    TooManyDamaged {
        /// The partition.
        partition: TopicPartition,
        /// Damaged logs that are kept.
        kept: usize,
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
    /// It was there when this process started, and the metadata has it as lost: it may be what was
    /// given up, so all of it is checked. Nobody counts on it.
    Doubtful,
}

impl Replicas {
    /// Makes sure that this broker's replica of a partition is open. One that cannot be is listed
    /// among those out of service until it is.
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
        let made = self.find_or_make(image, topic.clone(), id, state).await;
        match &made {
            // A damaged one is listed as such.
            Ok(_) | Err(CreateError::Damaged { .. }) => self.not_made.forget(id),
            Err(error) => {
                let place = self.place_of(image, id, state);
                self.not_made.note(id, topic, place, error);
            }
        }
        made
    }

    async fn find_or_make(
        self: &Arc<Self>,
        image: &MetadataImage,
        topic: TopicPartition,
        id: TopicIdPartition,
        state: &PartitionState,
    ) -> Result<PartitionHandle, CreateError> {
        if let Some(handle) = self.table.get(id) {
            return Ok(handle);
        }
        let damage = self.table.damage(id);
        let own = self.context.broker_id;
        if damage
            .as_ref()
            .is_some_and(|it| !it.may_begin_anew(state, own))
        {
            return Err(CreateError::Damaged { partition: topic });
        }
        let unopened = self.unopened.get(id);
        let (directory_id, known) = match &unopened {
            Some(waiting) => (Some(waiting.place), waiting.known),
            None => (self.place_of(image, id, state), Known::New),
        };
        if directory_id.is_none_or(|place| self.dirs.get(place).is_none_or(DataDir::has_failed)) {
            return Err(CreateError::DirectoryOut { partition: topic });
        }
        let is_spare = is_spare(state, own);
        let settings = TopicSettings::of(image, &topic.topic, state, &self.context.log_defaults);
        let replicas = Arc::clone(self);
        let (name, is_damaged) = (topic.clone(), damage.is_some());
        let opened = tokio::task::spawn_blocking(move || {
            let gone = || CreateError::DirectoryOut {
                partition: name.clone(),
            };
            let place = directory_id.and_then(|place| replicas.dirs.get(place));
            let place = place.ok_or_else(gone)?;
            if is_damaged {
                // It may lie in another directory than the one where it begins anew.
                for dir in replicas.dirs.iter().filter(|dir| !dir.has_failed()) {
                    replicas.quarantine(dir, (id.topic_id, &name))?;
                }
            }
            if make_room(&place.dir, &name, id)? {
                replicas.count_strays();
            }
            let log = replicas.open_anew(place, (&name, id), &settings, (known, is_spare))?;
            Ok((log, settings))
        });
        let opened = opened.await.map_err(|_| CreateError::BrokeOff {
            partition: topic.clone(),
        })?;
        let cause = match &opened {
            Err(CreateError::Open { cause, .. }) => damage_of(cause),
            Err(CreateError::TooManyDamaged { .. }) => Some(DamageCause::Corrupt),
            _ => None,
        };
        if let (Some(cause), None) = (cause, damage) {
            // An empty log here would say that nothing was ever acknowledged.
            let damage = Damage::at_opening(topic.clone(), cause);
            self.table.mark_damaged(id, damage);
            self.unopened.forget(id);
        }
        let (log, settings) = opened?;
        drop(self.table.unmark_damaged(id));
        self.unopened.forget(id);
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

    /// Opens a log that was not open in this run, and notes that it was begun. What is left of a
    /// damaged one is given up only if it `is_spare`: others have all that it had.
    fn open_anew(
        &self,
        place: &DataDir,
        (topic, id): (&TopicPartition, TopicIdPartition),
        settings: &TopicSettings,
        (known, is_spare): (Known, bool),
    ) -> Result<Log, CreateError> {
        let dir = &place.dir;
        let opened = match open_log(dir, topic, id, settings, known) {
            Err(CreateError::Open { cause, .. }) if is_spare && damage_of(&cause).is_some() => {
                tracing::warn!(partition = %topic, %cause, "a log is damaged");
                self.quarantine(place, (id.topic_id, topic))?;
                open_log(dir, topic, id, settings, Known::New)
            }
            opened => opened,
        };
        let (log, _) = opened?;
        // Before the first record can be acknowledged: from now on its absence is a loss.
        let noted = dir.note_logs(std::slice::from_ref(topic));
        noted.map_err(|cause| CreateError::Note {
            partition: topic.clone(),
            cause,
        })?;
        Ok(log)
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
            lag_bytes_max: self.context.replication.lag_bytes_max,
            flusher: Arc::clone(&dir.flusher),
            log_starts: dir.log_starts.clone(),
            room_gate: dir.room_gate.clone(),
            isr_changes: self.isr_changes.clone(),
            broker_budget: self.budget.clone(),
            // One partition may not use up what all of them share.
            partition_budget: AppendBudget::new(self.context.replication.append_bytes_max / 2),
            codecs: self.codecs.clone(),
            clock: self.clock,
        });
        self.table.insert(handle.clone());
        handle
    }
}

/// Opens a log; blocks.
pub(super) fn open_log(
    dir: &LogDir,
    topic: &TopicPartition,
    id: TopicIdPartition,
    settings: &TopicSettings,
    known: Known,
) -> Result<(Log, RecoveryReport), CreateError> {
    let failed = |cause| CreateError::Open {
        partition: topic.clone(),
        cause,
    };
    let log_dir = dir.partition_dir(topic);
    let mut open_as = dir.open_as(topic, id.topic_id);
    let is_lost = dir.is_lost(topic).map_err(|cause| match cause {
        // It is this log's folder that cannot be looked into.
        LogDirError::Io { path, source } => failed(OpenError::Io { path, source }),
        cause => CreateError::Note {
            partition: topic.clone(),
            cause,
        },
    })?;
    if is_lost {
        let recovery_point = open_as.recovery_point;
        return Err(failed(OpenError::Missing {
            dir: log_dir,
            recovery_point,
        }));
    }
    match known {
        Known::FromLastRun => {}
        Known::New => {
            open_as.log_start = None;
            open_as.clean_shutdown = false;
        }
        Known::Doubtful => {
            open_as.recovery_point = Offset::ZERO;
            open_as.clean_shutdown = false;
        }
    }
    Log::open(dir.context(), &log_dir, settings.log.clone(), open_as).map_err(failed)
}

/// Sets a directory aside that has the partition's name and is of another topic; whether there was
/// one.
fn make_room(
    dir: &LogDir,
    topic: &TopicPartition,
    id: TopicIdPartition,
) -> Result<bool, CreateError> {
    let failed = |cause| CreateError::SetAside {
        partition: topic.clone(),
        cause,
    };
    let log_dir = dir.partition_dir(topic);
    if dir.context().disk.list(&log_dir).is_err() {
        return Ok(false);
    }
    let found = dir.partitions().map_err(failed)?;
    let other = found.iter().any(|log| {
        let is_other = log.topic_id.is_some_and(|found| found != id.topic_id);
        log.partition == *topic && is_other
    });
    if other {
        tracing::warn!(partition = %topic, "a log in the way is set aside");
        dir.set_aside(std::slice::from_ref(topic), Aside::Stray)
            .map_err(failed)?;
    }
    Ok(other)
}
