//! The start: what is in the directories is opened, several logs at once, or set aside.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::StreamExt as _;
use trimaran_api::controller::DamageCause;
use trimaran_commit_log::{Aside, FoundLog, Log, LogDirError, OpenError, RecoveryReport};
use trimaran_metadata::{MetadataImage, PartitionState};
use trimaran_types::{BrokerId, DirectoryId, TopicIdPartition, TopicName, TopicPartition};

use super::create::{Known, open_log};
use super::damage::{Damage, is_marked_lost};
use super::{CreateError, DataDir, OpenReport, Replicas};
use crate::partition::TopicSettings;

/// From so many logs on, the opening tells how far it has come.
const PROGRESS_TOLD_MIN: usize = 100;

/// Why the broker cannot start on its directory.
#[derive(Debug, thiserror::Error)]
pub enum OpenAllError {
    /// The directory cannot be listed, or strays cannot be set aside.
    #[error("cannot look through the logs")]
    Dir(#[from] LogDirError),
    /// One replica in two directories, after a careless move perhaps: which one counts is not for
    /// the broker to guess.
    #[error("{partition} is found in {} and in {}: remove one of them", first.display(), second.display())]
    Twice {
        /// The partition.
        partition: TopicPartition,
        /// One copy.
        first: PathBuf,
        /// The other one.
        second: PathBuf,
    },
    /// A log cannot be opened for a reason that concerns the whole directory.
    #[error("cannot open the logs")]
    Log(#[from] CreateError),
}

/// One log of the last run that the metadata asks for.
struct Wanted {
    topic: TopicPartition,
    id: TopicIdPartition,
    settings: TopicSettings,
    /// Others have all that this replica has: it may be dropped and fetched anew.
    is_spare: bool,
    known: Known,
}

/// What lies in the directories.
#[derive(Default)]
struct Sorted {
    wanted: BTreeMap<DirectoryId, Vec<Wanted>>,
    /// Nobody asks for them there.
    strays: BTreeMap<DirectoryId, Vec<TopicPartition>>,
    /// Begun once, counted on, and gone.
    lost: Vec<(TopicIdPartition, TopicPartition)>,
}

impl Replicas {
    /// Opens every log that `image` assigns to this broker and sets the others aside. `image` must
    /// show this broker's own registration, so that an unclean restart has already left the ISRs.
    ///
    /// # Errors
    /// See [`OpenAllError`]. A single damaged log is none: it is reported and left out; nor is a
    /// directory that fails while another is left.
    pub async fn open_all(
        self: &Arc<Self>,
        image: &MetadataImage,
    ) -> Result<OpenReport, OpenAllError> {
        let Sorted {
            wanted,
            strays,
            lost,
        } = self.sort(image)?;
        let mut report = OpenReport {
            strays: strays.values().map(Vec::len).sum(),
            ..OpenReport::default()
        };
        for (id, strays) in &strays {
            tracing::warn!(?strays, "logs that no topic asks for here are set aside");
            if let Some(dir) = self.dirs.get(*id)
                && let Err(error) = dir.dir.set_aside(strays, Aside::Stray)
            {
                self.give_up(dir, error)?;
            }
        }
        self.forget_the_unknown(image)?;
        report.out_of_service = lost.len();
        for (id, topic) in lost {
            tracing::error!(partition = %topic, "a log is gone, and others count on it");
            let damage = Damage::at_opening(topic, DamageCause::Missing);
            self.table.mark_damaged(id, damage);
        }
        let total = wanted.values().map(Vec::len).sum();
        self.progress.send_modify(|progress| progress.total = total);
        // The directories beside each other, and some logs of each at once.
        let mut opening: futures_util::stream::SelectAll<_> = wanted
            .into_iter()
            .map(|(id, wanted)| {
                let opening = wanted
                    .into_iter()
                    .map(move |wanted| (id, Arc::clone(self), wanted));
                futures_util::stream::iter(opening)
                    .map(
                        |(id, replicas, wanted)| async move { replicas.open_one(id, wanted).await },
                    )
                    .buffer_unordered(self.opened_at_once)
                    .boxed()
            })
            .collect();
        let mut told = 0;
        while let Some(opened) = opening.next().await {
            opened?.add_to(&mut report);
            let mut done = 0;
            self.progress.send_modify(|progress| {
                progress.done += 1;
                done = progress.done;
            });
            // Ten lines for a long start, none for a short one.
            if total >= PROGRESS_TOLD_MIN && done * 10 / total > told {
                told = done * 10 / total;
                tracing::info!(done, total, "opening logs");
            }
        }
        self.note_open_logs()?;
        let kept = self.damaged_logs()? as u64;
        self.counts.damaged_logs.store(kept, Ordering::Relaxed);
        self.progress
            .send_modify(|progress| progress.finished = true);
        tracing::info!(?report, "logs are open");
        Ok(report)
    }

    /// What is in the directories, by whether the metadata asks for it there.
    fn sort(&self, image: &MetadataImage) -> Result<Sorted, OpenAllError> {
        let own = self.context.broker_id;
        let assigned: BTreeMap<_, _> = image
            .partitions_hosted_on(own)
            .map(|found| (found.id(), (found.topic.name.clone(), found.state)))
            .collect();
        let mut sorted = Sorted::default();
        let mut seen: BTreeMap<TopicIdPartition, PathBuf> = BTreeMap::new();
        for place in self.dirs.iter() {
            let found = match place.dir.partitions() {
                Ok(found) => found,
                Err(error) => {
                    self.give_up(place, error)?;
                    continue;
                }
            };
            for FoundLog {
                partition: topic,
                topic_id,
                dir,
            } in found
            {
                // A directory without a readable id is looked up by name; opening it decides.
                let named = || Some(image.topics.by_name(&topic.topic)?.topic_id);
                let id = topic_id.or_else(named).map(|topic_id| TopicIdPartition {
                    topic_id,
                    partition: topic.partition,
                });
                let state = id.and_then(|id| Some((id, assigned.get(&id)?)));
                let Some((id, (_, state))) = state.filter(|(_, (name, _))| *name == topic.topic)
                else {
                    sorted.strays.entry(place.id()).or_default().push(topic);
                    continue;
                };
                if let Some(first) = seen.insert(id, dir.clone()) {
                    let (partition, second) = (topic, dir);
                    return Err(OpenAllError::Twice {
                        partition,
                        first,
                        second,
                    });
                }
                // In another directory than its own, it is left over from before that one was
                // replaced. But what somebody may count on is served where it is.
                let is_doubtful = is_marked_lost(state, own);
                if self.place_of(image, id, state) != Some(place.id()) {
                    if !is_counted_on(state, own) && !is_doubtful {
                        sorted.strays.entry(place.id()).or_default().push(topic);
                        continue;
                    }
                    tracing::warn!(partition = %topic, path = %dir.display(), "a log lies in another directory than the metadata has");
                }
                let is_spare = is_spare(state, own);
                sorted.wanted.entry(place.id()).or_default().push(Wanted {
                    settings: TopicSettings::of(image, &topic.topic, state),
                    is_spare,
                    known: if is_spare && is_doubtful {
                        Known::Doubtful
                    } else {
                        Known::FromLastRun
                    },
                    topic,
                    id,
                });
            }
        }
        sorted.lost = self.lost(image, assigned, &seen)?;
        Ok(sorted)
    }

    /// The logs that somebody counts on, that were begun here, and of which nothing was found.
    fn lost(
        &self,
        image: &MetadataImage,
        assigned: BTreeMap<TopicIdPartition, (TopicName, &PartitionState)>,
        found: &BTreeMap<TopicIdPartition, PathBuf>,
    ) -> Result<Vec<(TopicIdPartition, TopicPartition)>, OpenAllError> {
        let mut lost = Vec::new();
        for (id, (topic, state)) in assigned {
            if found.contains_key(&id) {
                continue;
            }
            let partition = id.partition;
            let topic = TopicPartition { topic, partition };
            let place = self.place_of(image, id, state);
            let Some(dir) = place.and_then(|place| self.dirs.get(place)) else {
                continue;
            };
            // What a failed directory holds is reported with it.
            let was_begun =
                !dir.has_failed() && (!dir.dir.has_its_notes() || dir.dir.is_lost(&topic)?);
            if was_begun && is_counted_on(state, self.context.broker_id) {
                lost.push((id, topic));
            }
        }
        Ok(lost)
    }

    /// Notes the logs that are open: those of a time before there were notes lack theirs.
    fn note_open_logs(&self) -> Result<(), LogDirError> {
        let open = self.table.all();
        for dir in self.dirs.iter().filter(|dir| !dir.has_failed()) {
            let own = open.iter().filter(|log| log.directory_id() == dir.id());
            let names: Vec<TopicPartition> = own.map(|log| log.topic().clone()).collect();
            if let Err(error) = dir.dir.note_logs(&names) {
                self.give_up(dir, error)?;
            }
        }
        Ok(())
    }

    /// Forgets that logs were begun of which nothing is left and that nobody asks for there, so that
    /// a later partition of the same name is not taken for lost.
    fn forget_the_unknown(&self, image: &MetadataImage) -> Result<(), LogDirError> {
        for dir in self.dirs.iter().filter(|dir| !dir.has_failed()) {
            let belongs = |topic: &TopicPartition| {
                let found = image.topics.by_name(&topic.topic)?;
                let state = found.partition(topic.partition)?;
                let id = TopicIdPartition {
                    topic_id: found.topic_id,
                    partition: topic.partition,
                };
                let is_hosted = state.replicas.contains(&self.context.broker_id);
                (is_hosted && self.place_of(image, id, state) == Some(dir.id())).then_some(())
            };
            let mut unknown = Vec::new();
            for topic in dir.dir.noted_logs() {
                if belongs(&topic).is_none() && !dir.dir.has_segments(&topic)? {
                    unknown.push(topic);
                }
            }
            if !unknown.is_empty() {
                dir.dir.set_aside(&unknown, Aside::Stray)?;
            }
        }
        Ok(())
    }

    /// Takes a directory out of service that cannot be used, while another one is left.
    fn give_up(&self, dir: &DataDir, error: LogDirError) -> Result<(), LogDirError> {
        let latch = &dir.dir.context().latch;
        let cause = std::io::Error::other(error.to_string());
        if !dir.has_failed() {
            latch.fail("use", dir.dir.logs_dir(), &cause);
        }
        if self.dirs.have_all_failed() {
            return Err(error);
        }
        Ok(())
    }

    async fn open_one(
        self: &Arc<Self>,
        place: DirectoryId,
        wanted: Wanted,
    ) -> Result<Opened, CreateError> {
        let (topic, id) = (wanted.topic.clone(), wanted.id);
        let replicas = Arc::clone(self);
        let opening = tokio::task::spawn_blocking(move || {
            Some(replicas.open_blocking(replicas.dirs.get(place)?, wanted))
        });
        let broke_off = |_| CreateError::BrokeOff {
            partition: topic.clone(),
        };
        let dir = self.dirs.get(place);
        let outcome: Option<Result<Recovered, CreateError>> = opening.await.map_err(broke_off)?;
        let (Some(dir), Some(outcome)) = (dir, outcome) else {
            return Err(CreateError::DirectoryOut { partition: topic });
        };
        let Recovered {
            log,
            report,
            refetched,
        } = match outcome {
            Ok(recovered) => recovered,
            Err(error) => {
                // What concerns the whole directory ends it, and no more than it.
                let cause = std::io::Error::other(error.to_string());
                let latch = &dir.dir.context().latch;
                latch.fail("open a log in", dir.dir.logs_dir(), &cause);
                if self.dirs.have_all_failed() {
                    return Err(error);
                }
                Recovered::out_of_service(DamageCause::Failed)
            }
        };
        let opened = Opened {
            in_service: log.is_ok(),
            torn: report.cut.is_some(),
            refetched,
            scanned_bytes: report.scanned_bytes,
        };
        match log {
            Ok((log, settings)) => {
                self.start(dir, topic, id, log, settings);
                if !refetched {
                    self.table.mark_found(id);
                }
            }
            Err(cause) => {
                let damage = Damage::at_opening(topic, cause);
                self.table.mark_damaged(id, damage);
            }
        }
        Ok(opened)
    }

    /// Opens a log of the last run; what is damaged and spare is set aside and begun anew. Blocks.
    fn open_blocking(&self, place: &DataDir, wanted: Wanted) -> Result<Recovered, CreateError> {
        let Wanted {
            topic,
            id,
            settings,
            is_spare,
            known,
        } = wanted;
        let opened = open_log(&place.dir, &topic, id, &settings, known);
        let damage = match &opened {
            Err(CreateError::Open { cause, .. }) => damage_of(cause).map(|found| (found, cause)),
            _ => None,
        };
        let Some((found, cause)) = damage else {
            let (log, report) = opened?;
            return Ok(Recovered {
                log: Ok((log, settings)),
                report,
                refetched: false,
            });
        };
        tracing::error!(partition = %topic, %cause, is_spare, "a log is damaged");
        if !is_spare {
            return Ok(Recovered::out_of_service(found));
        }
        match self.quarantine(place, (id.topic_id, &topic)) {
            Err(error @ CreateError::TooManyDamaged { .. }) => {
                tracing::error!(%error, "a damaged replica stays out of service");
                return Ok(Recovered::out_of_service(found));
            }
            moved => moved?,
        }
        let (log, report) = open_log(&place.dir, &topic, id, &settings, Known::New)?;
        Ok(Recovered {
            log: Ok((log, settings)),
            report,
            refetched: true,
        })
    }
}

/// A log after its recovery, or why it stays out of service.
struct Recovered {
    log: Result<(Log, TopicSettings), DamageCause>,
    report: RecoveryReport,
    refetched: bool,
}

impl Recovered {
    fn out_of_service(cause: DamageCause) -> Self {
        Self {
            log: Err(cause),
            report: RecoveryReport::default(),
            refetched: false,
        }
    }
}

/// What became of one log.
struct Opened {
    in_service: bool,
    torn: bool,
    refetched: bool,
    scanned_bytes: u64,
}

impl Opened {
    fn add_to(&self, report: &mut OpenReport) {
        report.opened += usize::from(self.in_service);
        report.out_of_service += usize::from(!self.in_service);
        report.torn += usize::from(self.torn);
        report.refetched += usize::from(self.refetched);
        report.scanned_bytes = report.scanned_bytes.saturating_add(self.scanned_bytes);
    }
}

/// Whether nobody counts on this replica: it is neither in sync nor eligible to lead, and someone
/// else is in sync.
pub(super) fn is_spare(state: &PartitionState, own: BrokerId) -> bool {
    !is_counted_on(state, own) && !state.isr.is_empty()
}

/// Whether the replica is in sync, eligible to lead, or led last.
pub(super) fn is_counted_on(state: &PartitionState, own: BrokerId) -> bool {
    state.isr.contains(&own)
        || state.eligible_leader_replicas.contains(&own)
        || state.last_known_eligible.contains(&own)
}

/// What is wrong with the log itself; `None` when it is its directory or the system.
pub(super) const fn damage_of(cause: &OpenError) -> Option<DamageCause> {
    match cause {
        OpenError::Corrupt { .. } | OpenError::TopicIdMissing { .. } => Some(DamageCause::Corrupt),
        OpenError::Missing { .. } => Some(DamageCause::Missing),
        _ => None,
    }
}
