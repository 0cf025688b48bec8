//! The start: what is in the directory is opened, several logs at once, or set aside.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::StreamExt as _;
use trimaran_api::controller::DamageCause;
use trimaran_commit_log::{Aside, FoundLog, LogDirError, OpenError, RecoveryReport};
use trimaran_metadata::{MetadataImage, PartitionState};
use trimaran_types::{BrokerId, TopicIdPartition, TopicPartition};

use super::create::Known;
use super::damage::{Damage, is_marked_lost};
use super::{CreateError, OpenReport, Replicas};
use crate::partition::TopicSettings;

/// Logs that are recovered at once: they wait for the device more than for the cores.
const OPENED_AT_ONCE: usize = 8;

/// Why the broker cannot start on its directory.
#[derive(Debug, thiserror::Error)]
pub enum OpenAllError {
    /// The directory cannot be listed, or strays cannot be set aside.
    #[error("cannot look through the logs")]
    Dir(#[from] LogDirError),
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

impl Replicas {
    /// Opens every log that `image` assigns to this broker and sets the others aside. `image` must
    /// show this broker's own registration, so that an unclean restart has already left the ISRs.
    ///
    /// # Errors
    /// See [`OpenAllError`]. A single damaged log is none: it is reported and left out.
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
            strays: strays.len(),
            ..OpenReport::default()
        };
        if !strays.is_empty() {
            tracing::warn!(?strays, "logs that no topic asks for are set aside");
            self.dir.set_aside(&strays, Aside::Stray)?;
        }
        self.forget_the_unknown(image)?;
        report.out_of_service = lost.len();
        for (id, topic) in lost {
            tracing::error!(partition = %topic, "a log is gone, and others count on it");
            let damage = Damage::at_opening(topic, DamageCause::Missing);
            self.table.mark_damaged(id, damage);
        }
        let total = wanted.len();
        self.progress.send_modify(|progress| progress.total = total);
        let mut opening = futures_util::stream::iter(wanted)
            .map(|wanted| self.open_one(wanted))
            .buffer_unordered(OPENED_AT_ONCE);
        while let Some(opened) = opening.next().await {
            opened?.add_to(&mut report);
            self.progress.send_modify(|progress| progress.done += 1);
        }
        // Logs of a time before there were notes.
        let open = self.table.all();
        let names: Vec<TopicPartition> = open.iter().map(|log| log.topic().clone()).collect();
        self.dir.note_logs(&names)?;
        let kept = self.dir.damaged_logs()? as u64;
        self.counts.damaged_logs.store(kept, Ordering::Relaxed);
        self.progress
            .send_modify(|progress| progress.finished = true);
        tracing::info!(?report, "logs are open");
        Ok(report)
    }

    /// What is in the directory, by whether the metadata asks for it.
    fn sort(&self, image: &MetadataImage) -> Result<Sorted, OpenAllError> {
        let own = self.context.broker_id;
        let mut assigned: BTreeMap<_, _> = image
            .partitions_hosted_on(own)
            .map(|found| (found.id(), (found.topic.name.clone(), found.state)))
            .collect();
        let (mut wanted, mut strays) = (Vec::new(), Vec::new());
        for FoundLog {
            partition: topic,
            topic_id,
            ..
        } in self.dir.partitions()?
        {
            // A directory without a readable id is looked up by name; opening it decides.
            let named = || {
                image
                    .topics
                    .by_name(&topic.topic)
                    .map(|topic| topic.topic_id)
            };
            let id = topic_id.or_else(named).map(|topic_id| TopicIdPartition {
                topic_id,
                partition: topic.partition,
            });
            let state = id.and_then(|id| Some((id, assigned.get(&id)?)));
            match state {
                Some((id, (name, state))) if *name == topic.topic => {
                    let is_spare = is_spare(state, own);
                    wanted.push(Wanted {
                        settings: TopicSettings::of(image, name, state),
                        is_spare,
                        known: if is_spare && is_marked_lost(state, own) {
                            Known::Doubtful
                        } else {
                            Known::FromLastRun
                        },
                        topic,
                        id,
                    });
                    assigned.remove(&id);
                }
                _ => strays.push(topic),
            }
        }
        let mut lost = Vec::new();
        for (id, (topic, state)) in assigned {
            let partition = id.partition;
            let topic = TopicPartition { topic, partition };
            let was_begun = !self.dir.has_its_notes() || self.dir.is_lost(&topic)?;
            if was_begun && is_counted_on(state, own) {
                lost.push((id, topic));
            }
        }
        Ok(Sorted {
            wanted,
            strays,
            lost,
        })
    }

    /// Forgets that logs were begun of which nothing is left and that nobody asks for, so that a
    /// later partition of the same name is not taken for lost.
    fn forget_the_unknown(&self, image: &MetadataImage) -> Result<(), LogDirError> {
        let own = self.context.broker_id;
        let hosted = |topic: &TopicPartition| {
            let found = image.topics.by_name(&topic.topic);
            found
                .and_then(|found| found.partition(topic.partition))
                .is_some_and(|state| state.replicas.contains(&own))
        };
        let mut unknown = Vec::new();
        for topic in self.dir.noted_logs() {
            if !hosted(&topic) && !self.dir.has_segments(&topic)? {
                unknown.push(topic);
            }
        }
        if !unknown.is_empty() {
            self.dir.set_aside(&unknown, Aside::Stray)?;
        }
        Ok(())
    }

    async fn open_one(self: &Arc<Self>, wanted: Wanted) -> Result<Opened, CreateError> {
        let Wanted {
            topic,
            id,
            settings,
            is_spare,
            known,
        } = wanted;
        let replicas = Arc::clone(self);
        let name = topic.clone();
        let opening = tokio::task::spawn_blocking(move || {
            let result = replicas.open_log(&name, id, &settings, known);
            let damage = match &result {
                Err(CreateError::Open { cause, .. }) => {
                    damage_of(cause).map(|found| (found, cause))
                }
                _ => None,
            };
            let Some((found, cause)) = damage else {
                return result.map(|(log, report)| (Ok((log, settings)), report, false));
            };
            tracing::error!(partition = %name, %cause, is_spare, "a log is damaged");
            let out_of_service = Ok((Err(found), RecoveryReport::default(), false));
            if !is_spare {
                return out_of_service;
            }
            match replicas.quarantine(&name) {
                Err(error @ CreateError::TooManyDamaged { .. }) => {
                    tracing::error!(%error, "a damaged replica stays out of service");
                    return out_of_service;
                }
                moved => moved?,
            }
            let (log, report) = replicas.open_log(&name, id, &settings, Known::New)?;
            Ok((Ok((log, settings)), report, true))
        });
        let broke_off = |_| CreateError::BrokeOff {
            partition: topic.clone(),
        };
        let (opened, report, refetched) = opening.await.map_err(broke_off)??;
        let in_service = opened.is_ok();
        match opened {
            Ok((log, settings)) => {
                self.start(topic, id, log, settings);
                if !refetched {
                    self.table.mark_found(id);
                }
            }
            Err(cause) => {
                let damage = Damage::at_opening(topic, cause);
                self.table.mark_damaged(id, damage);
            }
        }
        Ok(Opened {
            in_service,
            torn: report.cut.is_some(),
            refetched,
            scanned_bytes: report.scanned_bytes,
        })
    }
}

/// What is in the directory, and what should be.
struct Sorted {
    wanted: Vec<Wanted>,
    /// Nobody asks for them.
    strays: Vec<TopicPartition>,
    /// Begun once, counted on, and gone.
    lost: Vec<(TopicIdPartition, TopicPartition)>,
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
